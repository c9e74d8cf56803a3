"""Keeps a local copy of the newest versions of a push destination, for a model server beside it.

TensorFlow Serving does not read object stores, and it takes whatever numbered folder it sees for a
version. So each version is copied under a hidden name and renamed when it is whole. Imports no TensorFlow.
"""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

from components import serving_versions
from components.pusher import history
from components.pusher.history import Version
from components.pusher.push import force_to_disk, make_readable_and_durable
from modules.storage import explained, is_remote, local_copy

INCOMING_PREFIX, LEAVING_PREFIX = ".copying-", ".removing-"  # no numbers, so nobody takes them for versions


def mirror(source: str, folder: str | Path, keep: int) -> Iterator[str]:
    """Copies the newest versions that the folder lacks, then removes versions that are none of them.

    Args:
      source: push destination, a folder or an address.
      folder: local folder, made when absent; one mirror at a time may work on it.
      keep: how many versions the folder holds, 1 or more.

    Yields:
      A line for each version that was copied, removed or left out.

    Raises:
      StorageError: when the source cannot be read. What the folder holds stays.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for prefix in (INCOMING_PREFIX, LEAVING_PREFIX):
        for leftover in folder.glob(f"{prefix}*"):  # of a mirror that was killed
            shutil.rmtree(leftover)
    wanted = _newest(source, keep)
    for version in wanted:
        target = folder / str(version.number)
        if _is_copy(target, version):
            continue
        try:
            _copy(version, target)
        except (ValueError, FileNotFoundError) as error:  # damaged, or removed meanwhile
            yield f"Left out version {version.number}: {error}"
        else:
            yield f"Copied version {version.number} to {target}"
    kept = {version.number for version in wanted}
    if not any((folder / str(number)).is_dir() for number in kept):
        return  # nothing came, so what is there goes on serving
    for number, path in serving_versions.versions(folder).items():
        if number not in kept:
            _remove(path)
            yield f"Removed version {number}"


def _newest(source: str, keep: int) -> list[Version]:
    """Returns the newest versions that hold a model, newest first: it is what a server waits for."""
    with_model = (
        history.read_version(number, path)
        for number, path in reversed(serving_versions.versions(source).items())
        if serving_versions.has_model(path)
    )
    return list(itertools.islice(with_model, keep))


def _is_copy(target: Path, version: Version) -> bool:
    """True when a local version is the source's, and not one of the same number from an earlier life."""
    return serving_versions.has_model(target) and (serving_versions.read_manifest(target) == version.manifest)


def _copy(version: Version, target: Path) -> None:
    incoming = target.with_name(f"{INCOMING_PREFIX}{target.name}")
    try:
        if is_remote(version.path):
            with explained(version.path):
                local_copy(version.path, incoming)
        else:
            shutil.copytree(version.path, incoming)
        if version.content_hash and serving_versions.content_hash(incoming) != version.content_hash:
            raise ValueError(f"its files are not those that {version.path} was pushed with")
        make_readable_and_durable(incoming)
        if target.exists():
            _remove(target)
        incoming.rename(target)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    force_to_disk(target.parent)


def _remove(version_dir: Path) -> None:
    leaving = version_dir.with_name(f"{LEAVING_PREFIX}{version_dir.name}")
    version_dir.rename(leaving)  # a server never sees half of it
    shutil.rmtree(leaving)
