"""A new numbered version in a push destination: complete, or not there at all. Imports no TensorFlow."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from components import serving_versions
from components.model_identity import Identity
from components.pusher import history
from components.pusher.records import Parcel, Pushed
from components.pusher.remote_push import push_to_store
from modules.storage import is_remote, local_copy, location

# TensorFlow Serving looks at names that are numbers; this one never is.
INCOMING_PREFIX = ".incoming-"
LOCK_FILE = ".push.lock"
HIGHEST_FILE = (
    ".push.highest"  # the number of the newest push, so that none comes back when a version is removed
)

# The model server usually is another user than the one that trains.
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755


def push(
    saved_model_dir: str | Path,
    destination: str | Path,
    records: Mapping[str, bytes] | None = None,
    facts: Mapping | None = None,
    identity: Identity | None = None,
    last_look: Callable[[], None] = lambda: None,
) -> Pushed:
    """Makes a model the newest version in the destination, unless it is what serves there already.

    In a local folder the copy is made under a hidden name, forced to disk and then renamed: whoever
    looks for versions finds all of it or nothing, even if this process is killed or the machine loses
    power. What killed copies left is removed by the next push. Only one push at a time works on a
    destination. An object store promises less: see `components.pusher.remote_push`.

    Args:
      saved_model_dir: folder with the model's saved_model.pb, or its address.
      destination: folder of numbered versions, made when absent; it must be on one file system. Or an
        address.
      records: content of the files that later runs find beside the model, by name, such as
        "training_statistics.pb".
      facts: further keys of the version's manifest, see `components.pusher.history`.
      identity: of the model; by default as far as the model itself tells.
      last_look: is called while no other push works on the destination, in a store before the manifest is
        written; what it raises ends the push, and no version is left.

    Raises:
      FileNotFoundError: when saved_model_dir holds no SavedModel.
      StorageError: when an address cannot be read or written.
    """
    saved_model_dir = Path(local_copy(saved_model_dir))
    identity = identity or Identity.of_model(saved_model_dir, data=None)
    parcel = Parcel(saved_model_dir, identity, records or {}, facts or {}, last_look)
    destination = location(destination)
    if is_remote(destination):
        return push_to_store(parcel, destination)
    _make_folder(destination)
    with locked(destination):
        for leftover in destination.glob(f"{INCOMING_PREFIX}*"):
            shutil.rmtree(leftover)
        if (serving := history.serving(destination)) and identity.equals(history.present_identity(serving)):
            return Pushed(serving.number, serving.path, new=False)
        parcel.last_look()
        version = _highest_number(destination) + 1
        incoming = destination / f"{INCOMING_PREFIX}{version}"
        _copy(saved_model_dir, incoming)
        beside = incoming / serving_versions.PUSH_RECORDS
        beside.mkdir(parents=True, exist_ok=True)
        for name, content in parcel.records.items():
            (beside / name).write_bytes(content)
        (incoming / serving_versions.MANIFEST).write_bytes(parcel.manifest(version))
        make_readable_and_durable(incoming)
        (destination / HIGHEST_FILE).write_text(str(version))
        incoming.rename(destination / str(version))
        force_to_disk(destination)
    return Pushed(version, destination / str(version), new=True)


def _highest_number(destination: Path) -> int:
    """Returns the highest number that was ever given away, or that anything in the folder has for a name."""
    numbers = serving_versions.taken_numbers(destination)
    with contextlib.suppress(FileNotFoundError, ValueError):  # of a destination of before
        numbers.add(int((destination / HIGHEST_FILE).read_text()))
    return max(numbers, default=0)


@contextlib.contextmanager
def locked(destination: Path) -> Iterator[None]:
    """Waits until no other process pushes to a local destination or removes from it.

    The lock ends with its process.
    """
    with (destination / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(_FOLDER_MODE)


def _copy(source: Path, target: Path) -> None:
    """Copies a model's files, without what an earlier push added to it."""
    pushed_before = source / serving_versions.PUSH_RECORDS
    shutil.copytree(
        source, target, ignore=lambda folder, names: names if Path(folder) == pushed_before else []
    )


def make_readable_and_durable(root: Path) -> None:
    """Lets every user read a folder's files, and forces them to disk."""
    for folder, _, files in os.walk(root, topdown=False):
        for name in files:
            os.chmod(os.path.join(folder, name), _FILE_MODE)
            force_to_disk(os.path.join(folder, name))
        os.chmod(folder, _FOLDER_MODE)
        force_to_disk(folder)


def force_to_disk(path: str | Path) -> None:
    """Returns when a file, or the names in a folder, would survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
