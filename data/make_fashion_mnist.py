"""Draws the sample data/fashion_mnist/ from Debian's package dataset-fashion-mnist.

    apt-get install dataset-fashion-mnist
    .venv/bin/python data/make_fashion_mnist.py

The draw is stratified: 150 images a class from the package's training set into train/CLASS/ and 100 a class
from its test set into test/CLASS/, as equal as the classes are in the package. A file is named after the
position of its image in the package, so that every image can be traced back. The seed is fixed, and the
output has the same names and pixels on every machine.
"""

import argparse
import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image

SEED = 2017
PACKAGE_DIR = Path("/usr/share/datasets/fashion-mnist")
OUTPUT_DIR = Path(__file__).with_name("fashion_mnist")

# Labels 0 to 9 of the README of Fashion-MNIST: https://github.com/zalandoresearch/fashion-mnist#labels
CLASSES = (
    "t_shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle_boot",
)
PACKAGE_SPLITS = {"train": "train", "test": "t10k"}  # ours: the package's
IMAGES_PER_CLASS = {"train": 150, "test": 100}


def read_idx(path: Path) -> np.ndarray:
    """Reads a gzip-compressed idx file of unsigned bytes (format: http://yann.lecun.com/exdb/mnist/).

    Returns:
      uint8, of the shape in the file's header: [n, height, width] for images, [n] for labels.

    Raises:
      FileNotFoundError: when the file is missing.
      ValueError: when it is no idx file of unsigned bytes.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist. Install Debian's package dataset-fashion-mnist, "
            "or name a folder that has it with --source."
        )
    content = gzip.decompress(path.read_bytes())
    zeros, type_code, dimensions = struct.unpack_from(">HBB", content)
    if zeros != 0 or type_code != 8:
        raise ValueError(
            f"{path} starts with {content[:4]!r}; an idx file of unsigned bytes starts with 00 00 08."
        )
    shape = struct.unpack_from(f">{dimensions}I", content, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def draw(labels: np.ndarray, images_per_class: int, seed: int) -> np.ndarray:
    """Draws the same number of positions of every class, without replacement.

    Args:
      labels: uint8 [n], values 0 to 9.

    Returns:
      int64 [10 * images_per_class], positions in `labels`, ascending.

    Raises:
      ValueError: when a class has fewer images.
    """
    # RandomState, not default_rng: NumPy promises that its streams never change (NEP 19).
    shuffled = np.random.RandomState(seed).permutation(len(labels))
    drawn = []
    for label, name in enumerate(CLASSES):
        of_class = shuffled[labels[shuffled] == label]
        if len(of_class) < images_per_class:
            raise ValueError(f"class {name!r} has {len(of_class)} images; {images_per_class} are wanted.")
        drawn.append(of_class[:images_per_class])
    return np.sort(np.concatenate(drawn))


def write_sample(source: Path, output: Path, images_per_class: dict[str, int]) -> None:
    """Writes output/SPLIT/CLASS/POSITION.png, 8-bit grey, for both splits.

    Args:
      source: folder with the four gzip-compressed idx files of Fashion-MNIST.
      images_per_class: images of each class to draw, by split ("train", "test").
    """
    for split, count in images_per_class.items():
        prefix = PACKAGE_SPLITS[split]
        images = read_idx(source / f"{prefix}-images-idx3-ubyte.gz")
        labels = read_idx(source / f"{prefix}-labels-idx1-ubyte.gz")
        for position in draw(labels, count, SEED):
            path = output / split / CLASSES[labels[position]] / f"{position:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[position]).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws the sample of Fashion-MNIST.")
    parser.add_argument("--source", type=Path, default=PACKAGE_DIR, help="folder with the idx files")
    parser.add_argument("--output", type=Path, default=OUTPUT_DIR, help="folder to write into")
    arguments = parser.parse_args()
    write_sample(arguments.source, arguments.output, IMAGES_PER_CLASS)


if __name__ == "__main__":
    main()
