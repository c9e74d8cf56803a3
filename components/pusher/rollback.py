"""Makes an older model serve again. Imports no TensorFlow.

The older version is pushed again, as a copy with a new number: everybody takes the newest number for the
one that serves, so nobody has to be told. Its manifest says what happened (components/pusher/history.py),
and what was withdrawn is kept by components/pusher/withdrawals.py.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from components import serving_versions
from components.model_identity import Identity
from components.pusher import history, withdrawals
from components.pusher.copies import MARK
from components.pusher.history import Version
from components.pusher.push import push
from components.pusher.withdrawals import Withdrawal
from modules.storage import explained, files_below

# What a copy does not take over: keys of the manifest, and files beside the model.
_OF_ONE_PUSH = ("version", "pushed_at", "withdrawn", "rolled_back_to", "rolled_back_from")
_OF_ONE_FOLDER = tuple(PurePosixPath(name).name for name in (serving_versions.MANIFEST, MARK))


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
    by_number = {version.number: version for version in versions}
    identities = {version.number: history.identity_of(version) for version in versions}
    withdrawn = withdrawals.read(destination)
    serving = versions[-1]
    if to is None:
        candidates = _other_models(versions, withdrawn.values())
    else:
        candidates = [version for version in with_model if version.number == to]
    if not candidates:
        raise ValueError(_no_target(with_model, serving, destination, to))
    target = candidates[-1]
    identity = identities[target.number]
    if identity.equals(history.present_identity(serving)):
        if not withdrawals.is_withdrawn(serving, withdrawn.values()):
            raise ValueError(f"version {serving.number} in {destination} serves, and is that model already")
        _settle(destination, withdrawn, identity)
        return RolledBack(serving.number, target.number, tuple(withdrawals.read(destination)))
    model_dir = serving_versions.local_version(target.path)
    # Before the push: a run that ends in between must not push what is being withdrawn.
    originals = {version.number: _original(version, by_number) for version in with_model}
    leaving = {
        original: Withdrawal(original, identities[number])
        for number, original in originals.items()
        if original > originals[target.number]
    }
    _settle(destination, {**leaving, **withdrawn}, identity)
    facts = {key: value for key, value in target.manifest.items() if key not in _OF_ONE_PUSH} | {
        "rolled_back_to": target.number,
        "rolled_back_from": {
            "version": serving.number,
            "content_hash": identities[serving.number].content_hash,
        },
    }
    pushed = push(model_dir, destination, _records(target), facts, identity)
    for version in history.read(destination):  # what was pushed while this was decided
        if serving.number < version.number < pushed.version:
            withdrawals.withdraw(destination, Withdrawal(version.number, history.identity_of(version)))
    return RolledBack(pushed.version, target.number, tuple(withdrawals.read(destination)))


def _settle(destination: str, withdrawn: Mapping[int, Withdrawal], serves: Identity) -> None:
    """Records which models are withdrawn once a model serves."""
    for number, withdrawal in withdrawn.items():
        if serves.equals(withdrawal.identity):
            withdrawals.reinstate(destination, number)
        else:
            withdrawals.withdraw(destination, withdrawal)


def _original(version: Version, by_number: Mapping[int, Version]) -> int:
    """Returns the number as which a version's model was first pushed, as far as the manifests tell."""
    while version.is_rollback and (before := by_number.get(version.manifest["rolled_back_to"])):
        version = before
    return version.manifest.get("rolled_back_to", version.number)


def _no_target(with_model: list[Version], serving: Version, destination: str, to: int | None) -> str:
    if to is not None:
        numbers = ", ".join(str(version.number) for version in with_model)
        return f"--to {to}: there is no such version in {destination}. Use one of {numbers}"
    return (
        f"{destination} holds no other model before version {serving.number}, which serves. "
        "See `headstart rollback CONFIG --list`, and name any version with --to"
    )


def _records(version: Version) -> dict[str, bytes]:
    """Returns what lies beside a version's model, by name: a copy is known as well as its original."""
    records = {}
    for name, file in files_below(version.path / serving_versions.PUSH_RECORDS).items():
        if name not in _OF_ONE_FOLDER:
            with explained(file):
                records[name] = file.read_bytes()
    return records


def fallback(versions: list[Version], destination: str) -> Version | None:
    """Returns the version that a rollback without `to` would go back to; None when there is none."""
    candidates = _other_models(versions, withdrawals.read(destination).values())
    return candidates[-1] if candidates else None


def _other_models(versions: list[Version], withdrawn: Iterable[Withdrawal]) -> list[Version]:
    """Returns the versions whose model is neither the one that serves nor withdrawn, oldest first.

    One that was made of the same as what serves is that model again, made on another machine.
    """
    serves = history.present_identity(versions[-1]) if versions else Identity()
    return [
        version
        for version in versions
        if serving_versions.has_model(version.path)
        and history.identity_of(version).brings_back(serves) != "same"
        and not withdrawals.is_withdrawn(version, withdrawn)
    ]
