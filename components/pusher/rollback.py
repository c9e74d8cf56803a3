"""Makes an older model serve again. Imports no TensorFlow.

The older version is pushed again, as a copy with a new number: everybody takes the newest number for the
one that serves, so nobody has to be told. Its manifest says what happened (components/pusher/history.py).
"""

import dataclasses

from components import serving_versions
from components.pusher import history
from components.pusher.history import Version
from components.pusher.push import push
from modules.storage import explained


@dataclasses.dataclass(frozen=True)
class RolledBack:
    """What a rollback did.

    Attributes:
      version: number of the copy that serves now.
      copy_of: number of the version that it is a copy of.
      withdrawn: numbers of the versions whose models will not be pushed again.
    """

    version: int
    copy_of: int
    withdrawn: tuple[int, ...]


def rollback(destination: str, to: int | None = None) -> RolledBack:
    """Makes an older version the newest.

    Args:
      destination: folder or address of numbered versions.
      to: the version to go back to; by default the newest one before the serving one that is another
        model and was not rolled back itself.

    Raises:
      ValueError: when there is no such version, or it serves already, or it is damaged.
      StorageError: when the destination is an address that cannot be read or written.
    """
    versions = history.read(destination)
    with_model = [version for version in versions if serving_versions.has_model(version.path)]
    if not with_model:
        raise ValueError(f"nothing was pushed to {destination} yet, so there is nothing to go back to")
    serving, target = versions[-1], _target(with_model, versions, destination, to)
    withdrawn = history.withdrawn(versions) | {
        model_hash(version): version.number
        for version in with_model
        if version.number > target.number and not version.is_rollback
    }
    withdrawn.pop(model_hash(target), None)
    remarks = {
        "rolled_back_to": target.number,
        "rolled_back_from": {"version": serving.number, "content_hash": model_hash(serving)},
        "withdrawn": withdrawn,
    }
    pushed = push(
        serving_versions.local_version(target.path), destination, _training_statistics(target), remarks
    )
    if not pushed.new:
        raise ValueError(f"version {pushed.version} in {destination} serves, and is that model already")
    return RolledBack(pushed.version, target.number, tuple(sorted(withdrawn.values())))


def model_hash(version: Version) -> str | None:
    """Returns the content hash of a version's model, computed when its manifest does not say it.

    None for a version without a model that has no manifest either.
    """
    if version.content_hash or not serving_versions.has_model(version.path):
        return version.content_hash
    return serving_versions.version_hash(version.path)


def _target(with_model: list[Version], versions: list[Version], destination: str, to: int | None) -> Version:
    serving = versions[-1]
    if to is not None:
        for version in with_model:
            if version.number == to:
                return version
        numbers = ", ".join(str(version.number) for version in with_model)
        raise ValueError(f"--to {to}: there is no such version in {destination}. Use one of {numbers}")
    withdrawn = history.withdrawn(versions)
    for version in reversed(with_model):
        if model_hash(version) != model_hash(serving) and model_hash(version) not in withdrawn:
            return version
    raise ValueError(
        f"{destination} holds no other model before version {serving.number}, which serves. "
        "See `headstart rollback CONFIG --list`, and name any version with --to"
    )


def _training_statistics(version: Version) -> bytes:
    file = version.path / serving_versions.TRAINING_STATISTICS
    try:
        with explained(file):
            return file.read_bytes()
    except FileNotFoundError:
        return b""  # of a version that somebody else put there: then no drift is looked for


def fallback(versions: list[Version], destination: str) -> Version | None:
    """Returns the version that a rollback without `to` would go back to; None when there is none."""
    with_model = [version for version in versions if serving_versions.has_model(version.path)]
    try:
        return _target(with_model, versions, destination, None)
    except ValueError:
        return None
