"""What the manifests of a push destination tell: which models served when, and which were withdrawn.

A manifest that `components.pusher.rollback` wrote has three keys more than the Pusher's:

    rolled_back_to     the older version that this one is a copy of
    rolled_back_from   {"version", "content_hash"} of what served before
    withdrawn          {content hash: version} of all models that must not be pushed again
"""

import dataclasses

from components import serving_versions
from modules.storage import Location


@dataclasses.dataclass(frozen=True)
class Version:
    """One version of a push destination.

    Attributes:
      number: its number.
      path: its folder.
      manifest: its manifest.json; empty for a version that somebody else put there.
    """

    number: int
    path: Location
    manifest: dict

    @property
    def content_hash(self) -> str | None:
        """Of the model as it was pushed; None when that is not known."""
        return self.manifest.get("content_hash")

    @property
    def is_rollback(self) -> bool:
        return "rolled_back_to" in self.manifest


def read(destination: str) -> list[Version]:
    """Returns all versions of a push destination, oldest first.

    Raises:
      StorageError: when the destination is an address that cannot be read.
    """
    return [read_version(number, path) for number, path in serving_versions.versions(destination).items()]


def read_version(number: int, path: Location) -> Version:
    """Returns one version with its manifest."""
    return Version(number, path, serving_versions.read_manifest(path))


def withdrawn(versions: list[Version]) -> dict[str, int]:
    """Returns the models that were rolled back and not reinstated since: {content hash: version}."""
    found: dict[str, int] = {}
    for version in versions:
        if version.is_rollback:
            found = dict(version.manifest["withdrawn"])
        found.pop(version.content_hash, None)
    return found


def rolled_back_since(destination: str, state: str) -> str | None:
    """Returns how the destination came from a former state to now by rollbacks alone, in words; None if not.

    Args:
      destination: of the pushes.
      state: a former `serving_versions.state`.
    """
    by_number = {version.number: version for version in read(destination)}
    if not by_number:
        return None
    newest = version = by_number[max(by_number)]
    while version is not None and version.is_rollback:
        before = version.manifest["rolled_back_from"]
        if state == f"{before['version']} {before['content_hash']}":
            return (
                f"Version {before['version']} was rolled back: version {newest.number}, a copy of version "
                f"{newest.manifest['rolled_back_to']}, serves now"
            )
        version = by_number.get(before["version"])
    return None
