"""Tiny image folders for tests of the command line: noise, so that every file's content differs."""

import random
from pathlib import Path

from PIL import Image


def write_images(folder: Path, count: int, size: tuple[int, int] = (8, 6), seed: int = 0) -> None:
    """Writes `count` PNG files of noise into a folder, which is made when it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = random.Random(f"{folder.name} {seed}")
    for index in range(count):
        Image.frombytes("RGB", size, noise.randbytes(size[0] * size[1] * 3)).save(folder / f"{index:03}.png")


def write_class_folders(root: Path, classes: tuple[str, ...] = ("cat", "dog"), count: int = 30) -> Path:
    """Writes a folder of `count` images for each class below a root, and returns the root."""
    for name in classes:
        write_images(root / name, count)
    return root
