"""Writes the shards of the examples: the second pass over the images."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import tensorflow as tf

from components.image_example_gen.decisions import InspectedImage
from components.image_example_gen.examples import to_example
from components.image_example_gen.headers import Rejected
from components.image_example_gen.inspection import to_png
from components.image_example_gen.locations import read_ahead
from components.image_example_gen.report import fault_event, shard_event
from components.image_example_gen.splits import shard_order
from components.image_example_gen.tfrecords import image_of_record
from components.image_example_gen.work_files import IngestOptions
from modules.storage import StorageError, is_remote, upload_files


def write_shard(shard_and_images, options: IngestOptions) -> Iterator[dict]:
    """Writes one shard, sorted by content, so that equal data gives equal files on every runner."""
    (split, shard, num_shards), images = shard_and_images
    images = sorted(
        (image for image in images if image is not None),
        key=lambda image: (shard_order(image.facts.content_hash), image.path),
    )
    folder = os.path.join(options.examples_uri, f"Split-{split}")
    name = f"data_tfrecord-{shard:05d}-of-{num_shards:05d}.gz"
    if not is_remote(folder):
        os.makedirs(folder, exist_ok=True)
    # On the disk of the examples, where it can be renamed; an address is written to from any disk.
    scratch = None if is_remote(folder) else options.examples_uri
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=scratch) as unfinished_folder:
        unfinished = os.path.join(unfinished_folder, name)
        changed = _write_examples(unfinished, images, options)
        if changed is not None:
            yield fault_event(
                f"{changed.path} changed while it was read. Run again when the data is at rest."
            )
            return
        # A shard appears when it is whole: a runner may start the same work twice.
        if is_remote(folder):
            upload_files({name: Path(unfinished)}, folder)
        else:
            os.replace(unfinished, os.path.join(folder, name))
    yield shard_event(split, images)


def _write_examples(file: str, images: list[InspectedImage], options: IngestOptions) -> InspectedImage | None:
    """Writes the examples of images; returns the first image that is not what was inspected, if any."""
    readings = read_ahead(
        (image.location, image.location.byte_size or image.facts.byte_size) for image in images
    )
    # Level 1: encoded images hardly shrink, and the level makes no difference that pays for its time.
    gzip = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
    with tf.io.TFRecordWriter(file, gzip) as writer:
        for image, read in zip(images, readings, strict=True):
            image_bytes = _read_again(image, read, options)
            if image_bytes is None:
                return image
            writer.write(to_example(image, image_bytes).SerializeToString(deterministic=True))
    return None


def _read_again(image: InspectedImage, read: Callable[[], bytes], options: IngestOptions) -> bytes | None:
    """Returns the bytes to write, or None when they are not those that were inspected."""
    try:
        data = read()
        if options.records is not None:
            data = image_of_record(data, options.records)
    except StorageError:
        raise
    except (OSError, Rejected):
        return None
    if hashlib.sha256(data).hexdigest() != image.facts.content_hash:
        return None
    return data if image.facts.conversion is None else to_png(data)
