"""How a TFRecord file is framed: told from other files by its first bytes, and read to its very last one.

TensorFlow's own reader takes up to 11 bytes behind the last record for the end of the file, whatever they
are. Imports no TensorFlow: the command line looks at files with it.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Optional

import google_crc32c

from components.image_example_gen.locations import Location, read_bytes

# TFRecord framing: 8 bytes length, 4 bytes CRC of the length, the payload, 4 bytes CRC of the payload.
# https://www.tensorflow.org/tutorials/load_data/tfrecord
LENGTH_BYTES, CRC_BYTES = 8, 4
BYTES_BEFORE_PAYLOAD, BYTES_AFTER_PAYLOAD = LENGTH_BYTES + CRC_BYTES, CRC_BYTES
MAX_PAYLOAD_BYTES = 1 << 31  # protobuf's limit of a message, and so of a tf.Example
START_BYTES = 4096  # holds the first bytes of a gzip-compressed file, behind the name in its header

# What a stream raises that is cut off, or is not gzip-compressed, or not any more.
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)


class DamagedRecord(Exception):
    """Bytes that are not a record stand where one should begin, or a record is cut off or changed."""


def begins_as_records(file: str, byte_size: int) -> Optional[bool]:
    """True when a file begins with a record, None when it holds none at all, False when it is something else.

    Args:
      file: path or address; gzip-compressed when it ends in .gz.
      byte_size: of the file.

    Raises:
      OSError: when it cannot be read.
    """
    start = read_bytes(Location(file, 0, min(byte_size, START_BYTES))) if byte_size else b""
    if file.endswith(".gz") and start:
        try:
            start = gzip.GzipFile(fileobj=io.BytesIO(start)).read(BYTES_BEFORE_PAYLOAD)
        except DAMAGED:
            return False
    return _is_frame(start[:BYTES_BEFORE_PAYLOAD]) if start else None


def read_payloads(records: BinaryIO) -> Iterator[bytes]:
    """Yields the payloads of a file of records.

    Raises:
      DamagedRecord: when there is anything else in it.
    """
    while frame := records.read(BYTES_BEFORE_PAYLOAD):
        if not _is_frame(frame):
            raise DamagedRecord
        payload = records.read(int.from_bytes(frame[:LENGTH_BYTES], "little"))
        if records.read(BYTES_AFTER_PAYLOAD) != _masked_crc(payload):
            raise DamagedRecord
        yield payload


def _is_frame(start: bytes) -> bool:
    length = start[:LENGTH_BYTES]
    is_whole = start[LENGTH_BYTES:] == _masked_crc(length)
    return is_whole and int.from_bytes(length, "little") <= MAX_PAYLOAD_BYTES


def _masked_crc(content: bytes) -> bytes:
    crc = google_crc32c.value(content)
    rotated = crc >> 15 | crc << 17
    return (rotated + 0xA282EAD8 & 0xFFFFFFFF).to_bytes(CRC_BYTES, "little")
