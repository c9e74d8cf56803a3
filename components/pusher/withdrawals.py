"""Which models were rolled back and must not be pushed again. Imports no TensorFlow.

    DESTINATION/.withdrawn/VERSION.json   a model's number and identity

One object per model, created and removed alone: a store cannot update a list safely, and cleaning old
versions away does not lose it. Manifests of before carried a list, which is still read (see history.py).
"""

import dataclasses
import json
from collections.abc import Iterable
from datetime import datetime, timezone

from components import serving_versions
from components.model_identity import Identity
from components.pusher import history
from components.pusher.history import Version
from modules.storage import Location, StorageError, explained, files_below, location, write_whole

FOLDER = ".withdrawn"  # no number, so it is no version


@dataclasses.dataclass(frozen=True)
class Withdrawal:
    """A model that was pushed as a version and rolled back."""

    version: int
    identity: Identity


def read(destination: str) -> dict[int, Withdrawal]:
    """Returns the withdrawn models of a push destination by their version, oldest first.

    Raises:
      StorageError: when the destination is an address that cannot be read.
    """
    versions = {version.number: version for version in history.read(destination)}
    found = {
        number: Withdrawal(number, Identity(content_hash=content_hash))
        for content_hash, number in history.withdrawn_in_manifests(versions.values()).items()
    }
    for name, file in files_below(location(destination) / FOLDER).items():
        number = name.removesuffix(".json")
        if serving_versions.is_number(number):
            record = _read(file)
            if not record and (version := versions.get(int(number))):  # damaged: the model tells for itself
                record = version.manifest
            found[int(number)] = Withdrawal(int(number), Identity.of_manifest(record))
    return dict(sorted(found.items()))


def is_withdrawn(version: Version, withdrawn: Iterable[Withdrawal]) -> bool:
    """True for a version whose model was rolled back, under its own or another number."""
    identity = history.identity_of(version)
    return any(item.version == version.number or item.identity.equals(identity) for item in withdrawn)


def serving_although_withdrawn(destination: str) -> str | None:
    """Says which version serves although it was rolled back, as when its successor's folder was removed.

    None when that is not so, which is nearly always.
    """
    serving = history.serving(destination)
    if serving is None or not is_withdrawn(serving, read(destination).values()):
        return None
    return f"version {serving.number} serves, although it was rolled back"


def who_is_back(
    candidate: Identity, withdrawn: Iterable[Withdrawal], versions: Iterable[Version]
) -> tuple[Withdrawal, str] | None:
    """Returns the withdrawn model that a candidate brings back, and how; None for any other candidate.

    Args:
      candidate: a model that may be pushed.
      withdrawn: models of the push destination.
      versions: of the push destination. What was made of the same as one that was not withdrawn, or that was
        let through after it, is that one's model, unless it equals a withdrawn one itself.

    Returns:
      The newest such model, with "same" or "newer code" (see Identity.brings_back).
    """
    withdrawn = list(withdrawn)
    equal = [item for item in withdrawn if candidate.equals(item.identity)]
    if equal:
        return equal[-1], "same"
    for version in versions:
        if candidate.brings_back(version.identity) == "same" and not is_withdrawn(version, withdrawn):
            return None
    found = [(item, how) for item in withdrawn if (how := candidate.brings_back(item.identity))]
    return max(found, key=lambda pair: (pair[1] == "same", pair[0].version), default=None)


def withdraw(destination: str, withdrawal: Withdrawal) -> None:
    """Records that a model must not be pushed again; what is recorded already stays as it is."""
    file = location(destination) / FOLDER / f"{withdrawal.version}.json"
    with explained(file):
        if file.exists():
            return
    record = {
        "version": withdrawal.version,
        "withdrawn_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **withdrawal.identity.as_dict(),
    }
    write_whole(file, json.dumps(record, indent=2).encode())


def reinstate(destination: str, version: int) -> None:
    """Lets a withdrawn version's model be pushed again."""
    file = location(destination) / FOLDER / f"{version}.json"
    with explained(file):
        file.unlink(missing_ok=True)


def _read(file: Location) -> dict:
    """Returns a record; one that is damaged identifies no model."""
    try:
        with explained(file):
            content = json.loads(file.read_bytes())
    except StorageError:
        raise
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
