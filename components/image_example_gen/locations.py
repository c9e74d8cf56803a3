"""Where the bytes of an image lie, and the one place that reads them."""

import collections
import contextlib
import errno
import hashlib
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, NamedTuple, Optional

from modules.storage import StorageError, explained, is_remote, location

# A store answers after some 30 ms, however small the object; waiting for many at a time hides it.
READS_AT_ONCE = 16
READ_AHEAD_BYTES = 128 << 20
CHUNK_BYTES = 4 << 20
MAX_IMAGE_BYTES = 1 << 30  # protobuf serializes at most 2 GiB, and nothing useful comes near half of it


class Location(NamedTuple):
    """A whole file, or a record in one."""

    file: str  # path or address
    offset: Optional[int] = None  # of the record's payload; None for a whole file
    byte_size: Optional[int] = None  # of the record's payload


def join(root: str, path: str) -> str:
    """Returns the path or address of a listed file.

    Args:
      root: Listing.root.
      path: relative to it, or absolute, or an address.
    """
    if is_remote(path):
        return path
    if not is_remote(root) or path.startswith("/"):
        return os.path.join(root, path)
    scheme, _, place = root.partition("://")
    bucket, _, folder = place.partition("/")
    # ".." is a name like any other in a bucket; here it means what it means in a manifest on a disk.
    return f"{scheme}://{bucket}/{posixpath.normpath(posixpath.join(folder, path))}"


def read_bytes(place: Location) -> bytes:
    """Returns the bytes of a file or record.

    Raises:
      StorageError: when the store does not answer, which says nothing about the file.
      OSError: when this file cannot be read; strerror says why.
    """
    if is_remote(place.file):
        return _read_object(location(place.file).fs, place)
    with open(place.file, "rb") as file:
        if place.offset is None:
            return file.read()
        file.seek(place.offset)
        return file.read(place.byte_size)


def read_ahead(places: Iterable[tuple[Location, int]]) -> Iterator[Callable[[], bytes]]:
    """Yields a function for each place, in order, that returns its bytes or raises as `read_bytes` does.

    Objects in a store are read some places ahead of the one whose function is yielded, several at once.

    Args:
      places: each with its size in bytes, which limits what waits in memory.
    """
    waiting, waiting_bytes = collections.deque(), 0
    pool = ThreadPoolExecutor(READS_AT_ONCE)  # starts no thread before it is given work
    try:
        for place, byte_size in places:
            while waiting and (
                len(waiting) >= 2 * READS_AT_ONCE or waiting_bytes + byte_size > READ_AHEAD_BYTES
            ):
                first, first_byte_size = waiting.popleft()
                waiting_bytes -= first_byte_size
                yield first
            waiting.append((_reading(place, pool), byte_size))
            waiting_bytes += byte_size
        while waiting:
            yield waiting.popleft()[0]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _reading(place: Location, pool: ThreadPoolExecutor) -> Callable[[], bytes]:
    if not is_remote(place.file):
        return lambda: read_bytes(place)
    # fsspec keeps a file system, with its connections, for each thread that asks; the pool shares this one.
    return pool.submit(_read_object, location(place.file).fs, place).result


def _read_object(filesystem, place: Location) -> bytes:
    start, end = place.offset, None
    if start is not None:
        end = start + place.byte_size
    with _told_apart(place.file):
        return filesystem.cat_file(place.file, start=start, end=end)


def content_hash(file: str) -> bytes:
    """Returns the SHA-256 of a file's content, which is never in memory as a whole.

    Args:
      file: path or address.

    Raises:
      StorageError, OSError: as `read_bytes`.
    """
    digest = hashlib.sha256()
    with _told_apart(file) if is_remote(file) else contextlib.nullcontext(), _open(file) as content:
        while chunk := content.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()


def _open(file: str) -> BinaryIO:
    if is_remote(file):
        return location(file).fs.open(file, "rb", block_size=CHUNK_BYTES)
    return open(file, "rb")


@contextlib.contextmanager
def _told_apart(file: str) -> Iterator[None]:
    """Raises a StorageError when a store fails, and another OSError when an object cannot be read."""
    try:
        with explained(file):
            yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), file) from error
    except StorageError as error:
        said = str(error.__cause__)
        if isinstance(error.__cause__, PermissionError) or said.startswith("Forbidden"):  # gcsfs' word
            raise PermissionError(errno.EACCES, said, file) from error
        raise
    except OSError as error:
        raise StorageError(f"{file}: {error}") from error
