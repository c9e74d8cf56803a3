"""What the manifests of a push destination tell: which models served when, and how they came there.

A manifest that `components.pusher.rollback` wrote says what its original's says, and two keys more:

    rolled_back_to     the older version that this one is a copy of
    rolled_back_from   {"version", "content_hash"} of what served before

Those of before also have `withdrawn`, {content hash: version} of all models that must not be pushed again;
now `components.pusher.withdrawals` keeps an object for each.
"""

import dataclasses
from collections.abc import Iterable

from components import serving_versions
from components.model_identity import Identity
from modules.storage import Location, StorageError, is_remote


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
    def identity(self) -> Identity:
        """Of the model, as far as the manifest tells."""
        return Identity.of_manifest(self.manifest)

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


def serving(destination: "str | Location") -> Version | None:
    """Returns the version that serves now, the newest, even where it holds no model; None without any."""
    number = serving_versions.serving_version(destination)
    return None if number is None else read_version(number, serving_versions.versions(destination)[number])


def another_pipeline(destination: "str | Location", name: str) -> str | None:
    """Returns a sentence when the newest named version of a destination is another pipeline's; None if not.

    Each would push its model again and again, and replace the other's. Manifests of before have no name.

    Args:
      destination: of the pushes.
      name: of the pipeline that wants to push.
    """
    for version in reversed(read(destination)):
        if other := version.manifest.get("name"):
            if other == name:
                return None
            return (
                f"version {version.number} in {destination} was pushed by the pipeline {other!r}, and this "
                f"one is {name!r}. Each would replace the models of the other: give this one a "
                f"push.destination of its own, or the name {other!r} when they are one and the same"
            )
    return None


def present_identity(version: Version) -> Identity:
    """Returns the identity of what lies in a version's folder now: that of no model when it is damaged.

    A version in an object store is not read for that: its model must only be there.
    """
    try:
        if not serving_versions.has_model(version.path):
            return Identity()
        if version.content_hash and not is_remote(version.path):
            is_whole = serving_versions.content_hash(version.path) == version.content_hash
            return version.identity if is_whole else Identity()
    except StorageError:
        raise
    except OSError:
        return Identity()
    return identity_of(version)


def identity_of(version: Version) -> Identity:
    """Returns the identity of a version's model; of one without a manifest its content is read.

    Without a manifest, that of a folder without a model, or of a model that cannot be read, equals no other.
    """
    if version.content_hash:
        return version.identity
    try:
        return Identity(content_hash=serving_versions.version_hash(version.path))
    except StorageError:
        raise
    except OSError:
        return Identity()


def withdrawn_in_manifests(versions: Iterable[Version]) -> dict[str, int]:
    """Returns the models that were withdrawn by lists of before, and not reinstated: {content hash: version}.

    Args:
      versions: of a push destination, oldest first.
    """
    found: dict[str, int] = {}
    for version in versions:
        if version.is_rollback and "withdrawn" in version.manifest:
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
