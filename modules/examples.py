"""Ingested examples as arrays: every image is decoded once, through Transform's own graph."""

import logging
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from modules.store import ArrayStore
from modules.transform_graph import TransformGraph

DECODE_BATCH = 64

logger = logging.getLogger("headstart.training")


@dataclass(frozen=True)
class LabelledImages:
    """The images of a split, in the order of its files."""

    pixels: np.ndarray  # uint8 [images, size, size, 3], RGB
    labels: np.ndarray  # int64 [images], positions in the vocabulary

    def __len__(self) -> int:
        return len(self.labels)


def load_images(
    file_patterns: list[str], graph: TransformGraph, store: ArrayStore, split: str
) -> LabelledImages:
    """Decodes a split into pixels; images of a class that the vocabulary lacks are left out.

    Args:
      file_patterns: of gzip TFRecord files of raw examples.
      split: its name, for the store and for messages.

    Raises:
      ValueError: when the split has no usable image, or the disk has no room for its pixels.
    """
    files = matching_files(file_patterns)
    count = count_records(files)
    arrays, used = None, 0
    for pixels, labels in decoded_batches(files, graph):
        known = (labels >= 0) & (labels < len(graph.labels))
        if arrays is None:
            pixels_store = store.allocate(f"{split}_pixels", (count, *pixels.shape[1:]), np.uint8)
            if pixels_store is None:
                raise ValueError(
                    f"The pixels of the {split} split take {count * pixels[0].nbytes / 1e9:.1f} GB, more "
                    "than a quarter of the free memory and half of the free disk. "
                    "Use a smaller model.image_size, or free some disk under the output folder."
                )
            arrays = pixels_store, np.empty(count, np.int64)
        end = used + int(known.sum())
        arrays[0][used:end], arrays[1][used:end] = pixels[known], labels[known]
        used = end
    if not used:
        raise ValueError(
            f"The {split} split has no usable image in {file_patterns}. Check data.splits, "
            "or the split column or folders of the source."
        )
    if used < count:
        logger.warning("%d images of the %s split have a class without training images", count - used, split)
    return LabelledImages(arrays[0][:used], arrays[1][:used])


def matching_files(file_patterns: list[str]) -> list[str]:
    """Returns the files of all patterns, sorted."""
    return sorted(path for pattern in file_patterns for path in tf.io.gfile.glob(pattern))


def read_records(files: list[str]) -> tf.data.Dataset:
    """Returns the serialized examples of gzip TFRecord files, file by file."""
    return tf.data.TFRecordDataset(files, compression_type="GZIP")


def count_records(files: list[str]) -> int:
    """Returns how many examples the files hold."""
    return sum(len(batch) for batch in read_records(files).batch(1024).as_numpy_iterator())


def decoded_batches(files: list[str], graph: TransformGraph):
    """Yields pixels uint8 [batch, size, size, 3] and labels int64 [batch] in file order."""

    def decode(serialized):
        return graph.pixels_and_labels(graph.parse(serialized))

    dataset = read_records(files).batch(DECODE_BATCH).map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.prefetch(2).as_numpy_iterator()
