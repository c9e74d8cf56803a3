"""One version of a push destination, copied into a folder whole or not at all. Imports no TensorFlow."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from components import serving_versions
from components.pusher import history
from components.pusher.copies import Mark, file_times
from components.pusher.history import Version
from components.pusher.push import force_to_disk, make_readable_and_durable
from modules.storage import Location, StorageError, check_access, explained, is_remote, local_copy

INCOMING_PREFIX, LEAVING_PREFIX = ".copying-", ".removing-"  # no numbers, so nobody takes them for versions
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class LeftOut(Exception):
    """One version that cannot be copied, and why; the others still can."""


class NotAsPushed(LeftOut):
    """A version whose files are not those that its manifest speaks of."""


@contextlib.contextmanager
def one_version(path: Location) -> Iterator[None]:
    """Raises LeftOut for what concerns one version alone; trouble of the whole store or disk passes."""
    try:
        yield
    except StorageError as error:
        check_access(path)
        raise LeftOut(str(error)) from error
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise
        raise LeftOut(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error


def read_version(number: int, path: Location) -> Version:
    """Returns a version that holds a model, with its manifest.

    Raises:
      LeftOut: when model or manifest are missing, damaged, or may not be read.
    """
    with one_version(path):
        if not serving_versions.has_model(path):
            raise LeftOut(f"there is no saved_model.pb in {path}")
        version = history.read_version(number, path)
        manifest = path / serving_versions.MANIFEST
        with explained(manifest):
            if not version.manifest and manifest.exists():
                raise LeftOut(f"{manifest} is damaged, or may not be read")
    return version


def fetch(version: Version, target: Path, source: str) -> None:
    """Makes a folder the copy of a version; what it held before is replaced once the copy is whole.

    Args:
      version: in the source.
      target: folder named after the version.
      source: name of the source, for the copy's mark.

    Raises:
      LeftOut: when the version cannot be read, or is not what was pushed; the folder is as before.
      OSError: when the folder cannot be written.
    """
    incoming = target.with_name(f"{INCOMING_PREFIX}{target.name}")
    leaving = target.with_name(f"{LEAVING_PREFIX}{target.name}")
    try:
        incoming.mkdir()
        with one_version(version.path):
            _copy_files(version.path, incoming)
        if version.content_hash and not _has_hash(incoming, version.content_hash):
            raise NotAsPushed(f"its files are not those that {version.path} was pushed with")
        Mark.of(incoming, source).write(incoming)
        make_readable_and_durable(incoming)
        if target.exists():
            target.rename(leaving)
        incoming.rename(target)
    finally:
        if leaving.exists() and not target.exists():  # told to end between the two renames
            leaving.rename(target)
        shutil.rmtree(incoming, ignore_errors=True)
    force_to_disk(target.parent)
    shutil.rmtree(leaving, ignore_errors=True)


def remove(copy: Path) -> None:
    """Removes a version so that a server never sees half of it."""
    leaving = copy.with_name(f"{LEAVING_PREFIX}{copy.name}")
    copy.rename(leaving)
    shutil.rmtree(leaving)


def state(path: Location) -> object:
    """Returns something that changes when files of a version in the source do, without reading them."""
    with one_version(path):
        if not is_remote(path):
            return file_times(path)
        with explained(path):
            return repr(path.fs.find(path.path.rstrip("/") + "/", detail=True))


def _has_hash(folder: Path, content_hash: str) -> bool:
    return serving_versions.has_model(folder) and serving_versions.content_hash(folder) == content_hash


def _copy_files(source: Location, target: Path) -> None:
    if is_remote(source):
        with explained(source):
            local_copy(source, target)
        return
    # shutil.copytree turns errors into text, and a full disk is to be told from a file that may not be read.
    for folder, _, names in os.walk(source, onerror=_raise, followlinks=True):
        below = target / os.path.relpath(folder, source)
        below.mkdir(exist_ok=True)
        for name in names:
            shutil.copyfile(os.path.join(folder, name), below / name)


def _raise(error: OSError) -> None:
    raise error
