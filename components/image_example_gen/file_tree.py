"""The files below a source, wherever it lies: a local folder, or an address in an object store.

Both kinds of tree answer the same questions in the same words, so that labels, splits and
reasons do not depend on where the images are. How a disk is walked is in local_tree.py, how a
bucket is listed in bucket_tree.py.
"""

import abc
import dataclasses
from typing import NamedTuple, Optional

# Leftovers of Windows, macOS archives and Synology; everything with a leading dot is ignored as well.
SYSTEM_NAMES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir"})


# Begins the version of a file on a disk: nanoseconds since the epoch. That of an object never does.
TIME = "@"


class Entry(NamedTuple):
    """A file or a folder; of a folder only the path is of interest."""

    path: str  # relative to the root of its tree, with "/"
    byte_size: int = 0
    version: str = ""  # changes when the content does: a time on a disk, a checksum in a bucket
    problem: str = ""  # why it cannot be used

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class Content(NamedTuple):
    """What lies directly in a folder, sorted by name."""

    folders: list[Entry]
    files: list[Entry]
    ignored: int  # hidden files and leftovers of operating systems


@dataclasses.dataclass
class Walk:
    """All files below a folder."""

    files: list[Entry] = dataclasses.field(default_factory=list)
    ignored: int = 0
    findings: list[str] = dataclasses.field(default_factory=list)  # sentences for the user


class FileTree(abc.ABC):
    """A folder with all that lies below it, or a single file, or nothing.

    Attributes:
      root: absolute path, or address without a slash at the end.
    """

    root: str

    @property
    @abc.abstractmethod
    def kind(self) -> Optional[str]:
        """Returns folder, file, or None when there is nothing."""

    @abc.abstractmethod
    def file(self) -> Entry:
        """Returns the file that the tree is, when its kind is file."""

    @abc.abstractmethod
    def names(self, folder: str) -> list[str]:
        """Returns the names of all that lies in a folder, hidden or not; none when it cannot be read."""

    @abc.abstractmethod
    def content(self, folder: str) -> Content:
        """Returns what lies in a folder; raises OSError when it cannot be read.

        Args:
          folder: relative to the root; "" is the root itself.
        """

    @abc.abstractmethod
    def walk(self, folder: str) -> Walk:
        """Returns all files below a folder; what cannot be read is an entry with a problem."""

    @abc.abstractmethod
    def matching(self, pattern: str) -> list[Entry]:
        """Returns the files that match a pattern such as part-*/**/*.tfrecord, hidden ones left out.

        Args:
          pattern: as glob understands it, relative to the root.
        """


def is_ignored(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_NAMES
