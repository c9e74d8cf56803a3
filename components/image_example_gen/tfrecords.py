"""Reads images out of TFRecord files of tf.Examples that somebody else has made."""

import dataclasses
import gzip
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import BinaryIO, Optional

import tensorflow as tf

from components.image_example_gen.headers import Rejected
from components.image_example_gen.listing import split_of_name
from components.image_example_gen.locations import Location
from components.image_example_gen.record_frames import (
    BYTES_AFTER_PAYLOAD,
    BYTES_BEFORE_PAYLOAD,
    DAMAGED,
    DamagedRecord,
    read_payloads,
)
from modules.labels import normalise_label
from modules.storage import explained, is_remote, local_copy, location


@dataclasses.dataclass(frozen=True)
class RecordKeys:
    """Names of the features that hold what; the same fields as pipeline.config.TFRecordKeys."""

    image: str
    label: str
    split: Optional[str] = None
    path: Optional[str] = None


class DamagedFile(Exception):
    """A TFRecord file ends early, holds something else or is gone; the message says where."""


def read_records(
    file: str, spool_file: str, see: Callable[[bytes], None]
) -> Iterator[tuple[Location, bytes]]:
    """Yields the payloads of a TFRecord file, each with the place where it can be read again.

    Nobody can seek in a compressed file, so its payloads are copied to a spool file beside the way.

    Args:
      file: path or address; gzip-compressed when it ends in .gz.
      spool_file: path or address to write to when the file is compressed.
      see: is given all bytes of the file, in order and compressed as they are.

    Raises:
      DamagedFile: when the file is truncated, fails a checksum, has anything behind its last record, or
        is gone.
      StorageError: when the store does not give it.
    """
    compressed = file.endswith(".gz")
    with tempfile.TemporaryDirectory(prefix="headstart-") as scratch:
        # TensorFlow knows no s3://. The copy is for this pass; the second reads records at the address.
        try:
            local_file = local_copy(file, scratch)
        except FileNotFoundError:
            raise DamagedFile(f"{file} is gone. Run again when the data is at rest.") from None
        payloads = _read(local_file, file, see)
        yield from _spool(payloads, spool_file) if compressed else _located(payloads, file)


def _located(payloads: Iterator[bytes], file: str) -> Iterator[tuple[Location, bytes]]:
    offset = BYTES_BEFORE_PAYLOAD
    for payload in payloads:
        yield Location(file, offset, len(payload)), payload
        offset += len(payload) + BYTES_AFTER_PAYLOAD + BYTES_BEFORE_PAYLOAD


def _read(local_file: str, file: str, see: Callable[[bytes], None]) -> Iterator[bytes]:
    number = 0
    try:
        with open(local_file, "rb") as opened:
            seen = _SeenFile(opened, see)
            for payload in read_payloads(gzip.GzipFile(fileobj=seen) if file.endswith(".gz") else seen):
                number += 1
                yield payload
    except FileNotFoundError:
        raise DamagedFile(f"{file} is gone. Run again when the data is at rest.") from None
    except (DamagedRecord, *DAMAGED) as error:
        raise DamagedFile(
            f"{file} is truncated or damaged after {number} records. Make it again, or take it out of "
            "data.source; a gzip-compressed file must end in .gz."
        ) from error
    except OSError as error:
        raise DamagedFile(f"{file} cannot be read: {error.strerror}.") from error


class _SeenFile:
    """A file that shows what is read of it to somebody else."""

    def __init__(self, file: BinaryIO, see: Callable[[bytes], None]):
        self._file, self._see = file, see

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._see(data)
        return data


def _spool(payloads: Iterator[bytes], spool_file: str) -> Iterator[tuple[Location, bytes]]:
    if not is_remote(spool_file):
        os.makedirs(os.path.dirname(spool_file), exist_ok=True)
    with explained(spool_file), location(spool_file).open("wb") as spool:
        for payload in payloads:
            place = Location(spool_file, spool.tell(), len(payload))
            spool.write(payload)
            yield place, payload


def image_of_record(payload: bytes, keys: RecordKeys) -> bytes:
    """Returns the encoded image in a serialized tf.Example.

    Raises:
      Rejected: when it is no tf.Example, or has no image under the key.
    """
    return _single_bytes(_features(payload), keys.image, "image")


def description_of_record(
    payload: bytes, keys: RecordKeys, default_path: str
) -> tuple[str, str, Optional[str]]:
    """Returns path, label and split (None when there is no key for it) of a serialized tf.Example.

    Raises:
      Rejected: when the label is missing or unfit, or the split unknown.
    """
    features = _features(payload)
    path = default_path
    if keys.path in features and features[keys.path].bytes_list.value:
        path = features[keys.path].bytes_list.value[0].decode("utf-8", "backslashreplace")
    try:
        label = normalise_label(_label(features, keys.label))
    except ValueError as error:
        raise Rejected(str(error)) from error
    split = None
    if keys.split is not None:
        name = _single_bytes(features, keys.split, "split").decode("utf-8", "backslashreplace")
        split = split_of_name(name)
        if split is None:
            raise Rejected(f"split {name!r} is none of train, eval (or val, validation) and test")
    return path, label, split


def _features(payload: bytes) -> dict[str, tf.train.Feature]:
    try:
        return dict(tf.train.Example.FromString(payload).features.feature)
    except Exception as error:  # the class of a DecodeError depends on protobuf's implementation
        raise Rejected("the record is no tf.Example") from error


def _label(features: dict[str, tf.train.Feature], key: str) -> str:
    if key in features and features[key].int64_list.value:
        return str(features[key].int64_list.value[0])
    label = _single_bytes(features, key, "label")
    try:
        return label.decode()
    except UnicodeDecodeError:
        raise Rejected(f"the label {label!r} is not valid UTF-8") from None


def _single_bytes(features: dict[str, tf.train.Feature], key: str, field: str) -> bytes:
    values = features[key].bytes_list.value if key in features else ()
    if not values:
        raise Rejected(
            f"the record has no value of {key!r} (data.tfrecord.{field}); it has {sorted(features)[:10]}"
        )
    return values[0]
