"""Where the bytes of an image lie, and the one place that reads them."""

import os
from typing import NamedTuple, Optional


class Location(NamedTuple):
    """A whole file, or a record in one."""

    file: str
    offset: Optional[int] = None  # of the record's payload; None for a whole file
    byte_size: Optional[int] = None  # of the record's payload


def read_bytes(location: Location) -> bytes:
    """Returns the bytes of a file or record; raises OSError."""
    with open(location.file, "rb") as file:
        if location.offset is None:
            return file.read()
        file.seek(location.offset)
        return file.read(location.byte_size)


def file_byte_size(file: str) -> int:
    return os.path.getsize(file)
