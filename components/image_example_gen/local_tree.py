"""A source on a disk: os.scandir, one stat a file."""

import functools
import glob
import os
import pathlib
import stat as stat_flags
from typing import Optional

from components.image_example_gen.file_tree import TIME, Content, Entry, FileTree, Walk, is_ignored

Identity = tuple[int, int]  # device and inode


class LocalTree(FileTree):
    """See FileTree; links to files and folders are followed."""

    def __init__(self, source: str):
        self.root = os.path.abspath(source)
        # A tree of many classes asks for the same folders again and again.
        self._folders_around = functools.cache(_folders_around)
        self._realpath = functools.cache(os.path.realpath)

    @property
    def kind(self) -> Optional[str]:
        if not os.path.exists(self.root):
            return None
        return "folder" if os.path.isdir(self.root) else "file"

    def file(self) -> Entry:
        return find_local_file(self.root)

    def names(self, folder: str) -> list[str]:
        try:
            return os.listdir(os.path.join(self.root, folder))
        except OSError:  # whoever walks it gets the reason
            return []

    def content(self, folder: str) -> Content:
        prefix = f"{folder}/" if folder else ""
        folders, files, ignored = [], [], 0
        with os.scandir(os.path.join(self.root, folder)) as found:
            for item in sorted(found, key=lambda item: item.name):
                if is_ignored(item.name):
                    ignored += 1
                    continue
                path = prefix + item.name
                try:
                    stat = item.stat()
                except OSError as error:
                    files.append(Entry(path, problem=_unreadable_link(error)))
                    continue
                (folders if stat_flags.S_ISDIR(stat.st_mode) else files).append(_entry(path, stat))
        return Content(folders, files, ignored)

    def walk(self, folder: str) -> Walk:
        place = os.path.normpath(os.path.join(self.root, folder))
        is_link = os.path.islink(place)
        parent = (
            os.path.dirname(os.path.realpath(place)) if is_link else self._realpath(os.path.dirname(place))
        )
        around = self._folders_around(parent)
        around |= self._folders_around(self.root if folder else os.path.dirname(self.root))
        walked = Walk()
        self._walk(folder, around, walked)
        return walked

    def _walk(self, folder: str, around: frozenset[Identity], walked: Walk) -> None:
        """Adds what lies below a folder. Links to folders are followed, except back to one around it."""
        try:
            identity = _identity(os.path.join(self.root, folder))
            if identity in around:
                walked.findings.append(
                    f"{folder!r} links back to a folder that contains it; it is not followed"
                )
                return
            content = self.content(folder)
        except OSError as error:
            # The slash says that it is a folder, whose name tells nothing about what lies inside.
            walked.files.append(Entry(f"{folder}/", problem=f"cannot be read: {error.strerror}"))
            return
        walked.files += content.files
        walked.ignored += content.ignored
        for inner in content.folders:
            self._walk(inner.path, around | {identity}, walked)

    def matching(self, pattern: str) -> list[Entry]:
        found = {
            path: os.path.join(self.root, path)
            for path in glob.glob(pattern, root_dir=self.root, recursive=True)
        }
        return [
            find_local_file(found[path])._replace(path=path)
            for path in sorted(found)
            if not os.path.isdir(found[path])
        ]


def find_local_file(path: str) -> Entry:
    """Returns the file at a path, with a problem when it is none."""
    try:
        return _entry(path, os.stat(path))
    except FileNotFoundError:
        return Entry(path, problem="does not exist")
    except OSError as error:
        return Entry(path, problem=f"cannot be read: {error.strerror}")
    except ValueError as error:  # a path with a null character
        return Entry(path, problem=f"cannot be read: {error}")


def _entry(path: str, stat: os.stat_result) -> Entry:
    # Copying and unpacking set the modification time back, but never the change time.
    changed_ns = max(stat.st_mtime_ns, stat.st_ctime_ns)
    problem = "" if stat_flags.S_ISREG(stat.st_mode) else "is not a regular file"
    return Entry(path, stat.st_size, f"{TIME}{changed_ns}", problem)


def _unreadable_link(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "is a link to a file that does not exist"
    return f"cannot be read: {error.strerror}"


def _identity(folder: str) -> Identity:
    stat = os.stat(folder)
    return stat.st_dev, stat.st_ino


def _folders_around(folder: str) -> frozenset[Identity]:
    """Returns the identities of a folder and of all folders that contain it."""
    path = pathlib.Path(folder)
    return frozenset(_identity(str(around)) for around in (path, *path.parents))
