"""Old versions of a push destination: which must stay, and how one is removed. Imports no TensorFlow."""

from datetime import datetime, timezone
from pathlib import Path

from components import serving_versions
from components.pusher import fetch, rollback, withdrawals
from components.pusher.history import Version
from components.pusher.remote_push import remove_from_store
from modules.storage import is_remote, location


def is_ours(version: Version, pipeline: str) -> bool:
    """True for a version that a run of the pipeline, or a rollback, pushed."""
    is_pushed = version.content_hash is not None and pushed_at(version) is not None
    is_link = isinstance(version.path, Path) and version.path.is_symlink()
    return is_pushed and not is_link and version.manifest.get("name", pipeline) == pipeline


def pushed_at(version: Version) -> datetime | None:
    """Returns when a version was pushed; None when its manifest does not say."""
    try:
        return datetime.fromisoformat(version.manifest["pushed_at"]).astimezone(timezone.utc)
    except (KeyError, TypeError, ValueError):
        return None


def needed_versions(versions: list[Version], destination: str) -> set[int]:
    """Returns the numbers of the versions that must stay, whatever their age.

    These are what serves, what a rollback would go back to, every withdrawn model, the copies that rollbacks
    have made since the last push, and every copy of before whose manifest alone says what was withdrawn.

    Args:
      versions: of the destination, as `history.read` returns them.
      destination: folder or address.
    """
    needed = set()
    # A newest number without a model, such as an empty folder, hides neither what serves nor its fallback.
    with_model = [version for version in versions if serving_versions.has_model(version.path)]
    for seen in filter(None, (versions, with_model)):
        needed.add(seen[-1].number)
        if fallback := rollback.fallback(seen, destination):
            needed.add(fallback.number)
    by_number = {version.number: version for version in versions}
    copy = versions[-1] if versions else None
    while copy is not None and copy.is_rollback:  # `fresh` follows them, see history.rolled_back_since
        needed.add(copy.number)
        copy = by_number.get(copy.manifest["rolled_back_from"]["version"])
    withdrawn = withdrawals.read(destination).values()
    return needed | {
        version.number
        for version in versions
        if withdrawals.is_withdrawn(version, withdrawn) or "withdrawn" in version.manifest
    }


def remove_version(version: Version) -> None:
    """Removes a version so that nobody who looks for versions finds half of it, even if it is killed.

    A local one is renamed to a hidden name first; the caller holds `components.pusher.push.locked`. For one
    in an object store see `remote_push.remove_from_store`.

    Raises:
      StorageError: when the store cannot be reached or written to.
      OSError: when a local folder cannot be removed.
    """
    if is_remote(version.path):
        remove_from_store(version.path)
    else:
        fetch.remove(version.path)


def half_removed(destination: str) -> list[Path]:
    """Returns what removals that were killed left in a local destination, under hidden names."""
    folder = location(destination)
    if is_remote(folder):
        return []
    return [
        path
        for path in folder.glob(f"{fetch.LEAVING_PREFIX}*")
        if serving_versions.is_number(path.name.removeprefix(fetch.LEAVING_PREFIX))
    ]
