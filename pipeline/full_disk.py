"""A disk without room: how it is recognised among the many errors that it becomes, and what to say."""

import errno
import shutil
import tempfile
from collections.abc import Iterator

from modules.storage import is_remote
from pipeline.check import megabytes, nearest_existing
from pipeline.config import Config

_CODES = (errno.ENOSPC, errno.EDQUOT)
# TensorFlow, Beam and SQLite hand on the words alone.
_WORDS = ("No space left on device", "Disk quota exceeded", "database or disk is full")


class DiskFull(OSError):
    """A run ended for want of room; the message names the disk and the way on."""


def is_full_disk(error: BaseException) -> bool:
    """True when a full disk is what an error, or one that it came from, speaks of."""
    return any(
        getattr(cause, "errno", None) in _CODES or any(words in str(cause) for words in _WORDS)
        for cause in _causes(error)
    )


def explanation(config: Config) -> str:
    """Returns which of the disks that a run writes to is the fullest, and how to go on."""
    places = [config.output, config.push.destination, tempfile.gettempdir()]
    folder = min(filter(lambda place: not is_remote(place), places), key=_free_bytes)
    return (
        f"the disk that holds {folder} is full ({megabytes(_free_bytes(folder))} are free). Make room there. "
        "What is finished is kept: the same command goes on from there"
    )


def _free_bytes(folder: str) -> int:
    return shutil.disk_usage(nearest_existing(folder)).free


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
