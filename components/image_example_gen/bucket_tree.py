"""A source in an object store: one recursive listing, which tells size and checksum of every object.

There are no folders in a bucket, only names with slashes in them; here they are put into folders,
so that nobody else needs to know. Links and unreadable folders do not exist there.
"""

import collections
import functools
import itertools
import re
from collections.abc import Collection, Iterator
from typing import Optional

from components.image_example_gen.file_tree import Content, Entry, FileTree, Walk, is_ignored
from modules.storage import StorageError, explained, location

# By preference: a checksum stays when the same bytes are uploaded again, a time does not. An S3 ETag is a
# checksum; Google's changes with an object's metadata too, but all except composed objects have an MD5.
VERSION_KEYS = ("md5Hash", "ETag", "etag", "LastModified", "updated")


EMPTY_NAME = "has an empty name between or behind its slashes; rename it"


class _Folder:
    __slots__ = ("files", "folders", "ignored")

    def __init__(self):
        self.folders: dict[str, _Folder] = {}
        self.files: list[Entry] = []
        self.ignored: set[str] = set()


class BucketTree(FileTree):
    """See FileTree; the first question costs the one listing, and all answers are of that moment."""

    def __init__(self, source: str):
        self.root = source.rstrip("/")

    @property
    def kind(self) -> Optional[str]:
        # An object may have the name of a folder with objects in it; then the folder is meant.
        if any(entry.path for entry in self._objects):
            return "folder"
        return "file" if self._objects else None

    @functools.cached_property
    def _objects(self) -> list[Entry]:
        return list_objects(self.root)

    @functools.cached_property
    def _tree(self) -> _Folder:
        root = _Folder()
        for entry in self._objects:
            _insert(root, entry)
        return root

    def _folder(self, folder: str) -> _Folder:
        node = self._tree
        for name in folder.split("/") if folder else ():
            node = node.folders[name]
        return node

    def file(self) -> Entry:
        return self._objects[0]

    def names(self, folder: str) -> list[str]:
        node = self._folder(folder)
        return [*node.folders, *(entry.name for entry in node.files), *node.ignored]

    def content(self, folder: str) -> Content:
        node = self._folder(folder)
        prefix = f"{folder}/" if folder else ""
        return Content(
            [Entry(prefix + name) for name in sorted(node.folders)], sorted(node.files), len(node.ignored)
        )

    def walk(self, folder: str) -> Walk:
        walked = Walk()
        waiting = [self._folder(folder)]
        while waiting:
            node = waiting.pop()
            walked.files += node.files
            walked.ignored += len(node.ignored)
            waiting += node.folders.values()
        return walked

    def matching(self, pattern: str) -> list[Entry]:
        from fsspec.utils import glob_translate

        # As in glob, two stars are more than one only where they are a whole name.
        names = [name if name == "**" else re.sub(r"\*+", "*", name) for name in pattern.split("/")]
        matches = re.compile(glob_translate("/".join(names))).match
        return [
            entry
            for entry in self._objects
            if matches(entry.path) and not any(name.startswith(".") for name in entry.path.split("/"))
            if not entry.path.endswith("/")
        ]


def list_objects(address: str) -> list[Entry]:
    """Returns all objects below an address, by one listing; an object at the address itself has the path "".

    Raises:
      StorageError: when the bucket does not exist or does not let us in.
    """
    filesystem = location(address).fs
    base = address.partition("://")[2].rstrip("/")
    try:
        with explained(address):
            found = filesystem.find(base, detail=True)
    except FileNotFoundError as error:
        bucket = base.partition("/")[0]
        raise StorageError(
            f"{address}: there is no bucket {bucket!r}. Create it, or correct the address."
        ) from error
    return [
        Entry(name[len(base) + 1 :], info["size"], _version(info))
        for name, info in found.items()
        if name != f"{base}/"  # what consoles make for an empty folder
    ]


def find_objects(addresses: Collection[str]) -> dict[str, Entry]:
    """Looks up objects by one listing a bucket, of the innermost folder that holds all of them.

    Args:
      addresses: of objects, without ".." or empty names in them.

    Returns:
      An entry for each address, whose path is the address; with a problem when there is no such object.

    Raises:
      StorageError: as `list_objects`.
    """
    names_of_bucket = collections.defaultdict(list)
    for address in addresses:
        scheme, bucket, *names = address.replace("://", "/", 1).split("/")
        names_of_bucket[scheme, bucket].append(names[:-1])
    found = {address: Entry(address, problem="does not exist") for address in addresses}
    for (scheme, bucket), names in names_of_bucket.items():
        # What the first and the last in order begin with, all between them begin with.
        both = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(min(names), max(names), strict=False))
        folder = "/".join([f"{scheme}://{bucket}", *(name for name, _ in both)])
        for entry in list_objects(folder):
            address = f"{folder}/{entry.path}"
            if address in found:
                found[address] = entry._replace(path=address)
            for around in _folders_around(entry.path):
                address = f"{folder}/{around}"
                if address in found and found[address].problem:
                    found[address] = Entry(address, problem="is not a regular file")
    return found


def _folders_around(name: str) -> Iterator[str]:
    while folder := name.rpartition("/")[0]:
        yield folder
        name = folder


def _insert(root: _Folder, entry: Entry) -> None:
    """Puts an object into the folders that its name speaks of."""
    *folders, name = entry.path.split("/")
    node = root
    for folder in folders:
        if not folder:
            node.files.append(entry._replace(problem=EMPTY_NAME))
            return
        if is_ignored(folder):
            node.ignored.add(folder)
            return
        if folder not in node.folders:
            node.folders[folder] = _Folder()
        node = node.folders[folder]
    if name and is_ignored(name):
        node.ignored.add(name)
    elif name:
        node.files.append(entry)
    elif entry.byte_size:  # an empty one is what consoles make for a folder
        node.files.append(entry._replace(problem=EMPTY_NAME))


def _version(info: dict) -> str:
    return next((str(info[key]).strip('"') for key in VERSION_KEYS if info.get(key)), "")
