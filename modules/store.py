"""Large arrays of a training, in memory or on disk, whichever they fit into."""

import logging
import os
import shutil
from typing import Literal, Optional

import numpy as np
import psutil

Placement = Literal["memory", "disk"]

SHARE_OF_FREE_MEMORY = 4  # "auto" takes a quarter of it: the model and its gradients need the rest
SHARE_OF_FREE_DISK = 2

logger = logging.getLogger("headstart.training")


class ArrayStore:
    """Hands out arrays that the caller fills; those on disk lie in one folder and go with it."""

    def __init__(self, directory: str, placement: Literal["auto", "memory", "disk"]):
        """Begins with an empty folder: what an interrupted training left there may be half written."""
        shutil.rmtree(directory, ignore_errors=True)
        self._directory = directory
        self._placement = placement

    def allocate(self, name: str, shape: tuple[int, ...], dtype) -> Optional[np.ndarray]:
        """Returns a writable array, or None when "auto" finds room for it neither in memory nor on disk.

        Args:
          name: file name of the array when it lies on disk; a second array of the name replaces the first.
        """
        byte_size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        placement = self._choose(byte_size)
        if placement is None:
            return None
        if placement == "memory" or not byte_size:  # an empty file cannot be mapped
            return np.empty(shape, dtype)
        os.makedirs(self._directory, exist_ok=True)
        path = os.path.join(self._directory, f"{name}.npy")
        logger.info("Keeping %s on disk: %.0f MB in %s", name, byte_size / 1e6, path)
        if os.path.exists(path):
            os.remove(path)  # an array still in use keeps the old file's content; truncating would crash it
        array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        with open(path, "r+b") as file:
            # Where a page of a file with holes finds no room, SIGBUS ends the process without a word.
            os.posix_fallocate(file.fileno(), 0, os.path.getsize(path))
        return array

    def delete(self) -> None:
        """Removes the files. Arrays on disk that are still in use stay readable until they are let go."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _choose(self, byte_size: int) -> Optional[Placement]:
        if self._placement != "auto":
            return self._placement
        if byte_size <= psutil.virtual_memory().available // SHARE_OF_FREE_MEMORY:
            return "memory"
        os.makedirs(self._directory, exist_ok=True)
        if byte_size <= shutil.disk_usage(self._directory).free // SHARE_OF_FREE_DISK:
            return "disk"
        return None
