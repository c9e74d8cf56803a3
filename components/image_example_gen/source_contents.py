"""The contents of a listed source: known from the index of an earlier look, or read where that does not help.

Imports no TensorFlow: the command line asks for it.
"""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from components.image_example_gen.file_tree import TIME
from components.image_example_gen.listing import Listing, SourceFile
from components.image_example_gen.locations import MAX_IMAGE_BYTES, READS_AT_ONCE, content_hash, join
from components.source_index import NOTHING, UNKNOWN_STAT, SourceIndex
from modules.storage import StorageError

# FAT stamps a file with a time to two seconds. Within that time it may change again and keep its stat.
COARSEST_CLOCK_NS = 2_000_000_000
FILES_A_TASK = 128


def settle(listing: Listing, index: SourceIndex) -> SourceIndex:
    """Returns the index of a source as it is listed now; equal to the given one when nothing is new in it.

    Only files are read of which the index does not know the stat, after chmod, cp or a move, for example.

    Raises:
      StorageError: when an object store fails. A file that cannot be read counts as one without content.
    """
    reading_since_ns = time.time_ns()
    contents, unread = {}, {}
    for file in listing.files:
        stat, content = index.files.get(file.path, (UNKNOWN_STAT, NOTHING))
        if stat == _stat(file):
            contents[file.path] = content
        elif listing.format == "tfrecord" or file.byte_size <= MAX_IMAGE_BYTES:
            unread[file.path] = None
    if (
        not unread
        and len(contents) == len(index.files)
        and listing.fingerprint(contents) == index.fingerprint
    ):
        return index
    contents.update(_read(listing.root, list(unread)))
    return index_of(listing, contents, reading_since_ns, index.cache_keys)


def index_of(
    listing: Listing,
    contents: Mapping[str, bytes],
    reading_since_ns: int,
    cache_keys: Mapping[str, str] | None = None,
) -> SourceIndex:
    """Returns the index of a source whose files have been read.

    Args:
      listing: made before anything was read.
      contents: SHA-256 of each file, by path; what could not be read is missing.
      reading_since_ns: when the first of the files may have been read, in nanoseconds since the epoch.
      cache_keys: see SourceIndex.
    """
    contents = {file.path: contents.get(file.path, NOTHING) for file in listing.files}
    files = {}
    for file in listing.files:
        is_young = _changed_ns(file) > reading_since_ns - COARSEST_CLOCK_NS
        is_known = contents[file.path] != NOTHING and not is_young
        files[file.path] = _stat(file) if is_known else UNKNOWN_STAT, contents[file.path]
    return SourceIndex(listing.fingerprint(contents), files, reading_since_ns, dict(cache_keys or {}))


def _stat(file: SourceFile) -> str:
    return f"{file.byte_size} {file.version}"


def _changed_ns(file: SourceFile) -> int:
    """Returns when a file on a disk changed last; 0 for an object, which a checksum tells from any other."""
    return int(file.version[len(TIME) :]) if file.version.startswith(TIME) else 0


def _read(root: str, paths: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yields path and SHA-256 of files, several of which are read at once."""
    tasks = (paths[start : start + FILES_A_TASK] for start in range(0, len(paths), FILES_A_TASK))
    pool = ThreadPoolExecutor(READS_AT_ONCE)
    try:
        for pairs in pool.map(lambda task: [(path, _content(root, path)) for path in task], tasks):
            yield from pairs
    finally:  # Ctrl-C, or a store that fails, waits for no more than what has begun
        pool.shutdown(wait=False, cancel_futures=True)


def _content(root: str, path: str) -> bytes:
    try:
        return content_hash(join(root, path))
    except StorageError:
        raise
    except OSError:
        return NOTHING
