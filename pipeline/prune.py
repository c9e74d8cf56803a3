"""Removes what the section `keep` of a config does not keep: artifacts, reports, logs, curves, versions.

`headstart prune` calls it, and each run on this machine at its end. Imports neither TensorFlow nor TFX.
"""

import contextlib
import dataclasses
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import NamedTuple

from components.baseline.chosen import Chosen
from components.pusher import history, removal
from components.pusher.history import Version
from components.pusher.push import locked
from components.pusher.removal import is_ours, needed_versions, pushed_at, remove_version
from modules.storage import Location, facts_below, is_remote, location
from pipeline import freshness, old_files
from pipeline.config import Config
from pipeline.old_files import REPORT

BASELINES = "pipeline/Baseline/baseline_model/*"  # in the output, one per execution

logger = logging.getLogger("headstart.prune")


@dataclasses.dataclass(frozen=True)
class Item:
    """One thing that is not kept."""

    kind: str
    place: str
    byte_size: int
    remove: Callable[[], None]


class Plan(NamedTuple):
    """What would be removed, in that order, and what lies among it and is somebody else's."""

    items: list[Item]
    foreign: list[Location]


def prune(config: Config, tell: Callable[[str], None], dry_run: bool = False) -> int:
    """Removes what the config does not keep, with a line for each; returns how many could not be removed.

    Nobody else may be at work in the output, see `pipeline.output_lock`.

    Args:
      config: complete; `keep` says what stays.
      tell: is called with each line.
      dry_run: whether it is only said what would be removed.

    Raises:
      StorageError: when output or push destination are addresses that cannot be read.
    """
    with contextlib.nullcontext() if dry_run else _pushes_wait(config.push.destination):
        plan = _plan(config, datetime.now(timezone.utc))
        removed, failed = [], 0
        for item in plan.items:
            try:
                if not dry_run:
                    item.remove()
            except OSError as error:
                failed += 1
                tell(f"{item.place} cannot be removed: {error.strerror or error}")
            else:
                removed.append(item)
                tell(f"{megabytes(item.byte_size):>12}  {item.kind:<18}  {item.place}")
    for place in plan.foreign:
        tell(f"Left alone, because this pipeline did not make it: {place}")
    tell(_total("Would free" if dry_run else "Freed", removed))
    return failed


def prune_after_run(config: Config) -> None:
    """Removes what the config does not keep, with one line about it. Raises nothing: the run has ended."""
    if not config.keep.is_set:
        return
    lines: list[str] = []
    try:
        failed = prune(config, lines.append)
    except Exception as error:  # whatever it is, the run has ended as it has
        logger.warning("Nothing old was removed: %s", error)
        return
    logging.info("Pruned:\n%s", "\n".join(lines))
    if failed:
        logger.warning("%d old things could not be removed; the log names them", failed)
    elif len(lines) > 1:
        logger.info("%s", lines[-1])


def _plan(config: Config, now: datetime) -> Plan:
    """Returns what the config does not keep."""
    keep, destination = config.keep, config.push.destination
    since = now - timedelta(days=keep.days) if keep.days else None
    versions = history.read(destination)
    items, foreign = [], []
    if keep.versions or since:
        foreign += _foreign_in(destination, config.name, versions)
        old = _old_versions(config, versions, since)
        versions = [version for version in versions if version not in old]
        items += [_item("version", version.path, partial(remove_version, version)) for version in old]
        items += [
            _item("version", path, partial(shutil.rmtree, path)) for path in removal.half_removed(destination)
        ]
    if keep.runs or since:
        items += _artifact_items(config, since)
        for kind in old_files.KINDS:
            entries, others = old_files.entries(config.output, kind)
            entries = entries[max(keep.runs or 0, 1) :]  # the newest always stays
            entries = [entry for entry in entries if since is None or entry.began < since]
            if kind is REPORT:
                entries = _without_those_needed(entries, config, versions)
            items += [Item(kind.name, str(entry.path), entry.byte_size, entry.remove) for entry in entries]
            foreign += others
    return Plan(items, foreign)


def _old_versions(config: Config, versions: list[Version], since: datetime | None) -> list[Version]:
    """Returns the versions that may go, oldest first."""
    needed = needed_versions(versions, config.push.destination) | _baseline_in_use(config.output)
    ours = [version for version in versions if is_ours(version, config.name)]
    older = ours[: -config.keep.versions] if config.keep.versions else ours
    return [
        version
        for version in older
        if version.number not in needed and (since is None or pushed_at(version) < since)
    ]


def _baseline_in_use(output: str) -> set[int | None]:
    """Returns the number of the version with which the newest candidate was compared, where that is known."""
    folders = [] if is_remote(output) else list(Path(output).glob(BASELINES))
    if not folders:
        return set()
    newest = max(folders, key=lambda folder: int(folder.name) if folder.name.isdigit() else -1)
    with contextlib.suppress(OSError, ValueError, TypeError):  # of a run that was killed
        return {Chosen.read(newest).version}
    return set()


def _item(kind: str, folder: Location, remove: Callable[[], None]) -> Item:
    size = sum(facts.byte_size for facts in facts_below(folder).values())
    return Item(kind, str(folder), size, remove)


def _foreign_in(destination: str, pipeline: str, versions: list[Version]) -> list[Location]:
    """Returns what lies in a push destination under a visible name and no push of the pipeline put there."""
    folder = location(destination)
    names = {version.path.name for version in versions}
    if not is_remote(folder) and folder.is_dir():  # a bucket may hold anything
        names |= {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    ours = {version.path.name for version in versions if is_ours(version, pipeline)}
    return [folder / name for name in sorted(names - ours)]


def _artifact_items(config: Config, since: datetime | None) -> list[Item]:
    if is_remote(config.output):
        return []  # in a cluster they lie below cluster.pipeline_root, by the rules of that store
    output = Path(config.output)
    if not (output / "metadata.sqlite").is_file():
        return []
    from pipeline.old_artifacts import Artifacts

    artifacts = Artifacts(output / "pipeline", output / "metadata.sqlite")
    return [
        _item("artifact", artifacts.folder(artifact), partial(artifacts.remove, artifact))
        for artifact in artifacts.older_than(config.keep.runs, since)
    ]


def _without_those_needed(
    reports: list[old_files.Entry], config: Config, versions: list[Version]
) -> list[old_files.Entry]:
    """Leaves out the reports of the versions that stay, and of the run that summary.json speaks of."""
    newest = freshness.read_summary(config.output)
    runs = {newest.run_id} if newest else set()
    runs |= {version.manifest.get("run_id") for version in versions}
    places = {str(version.path) for version in versions}
    return [report for report in reports if report.path.name not in runs and _pushed_by(report) not in places]


def _pushed_by(report: old_files.Entry) -> str | None:
    """Returns where the run of a report pushed a new version; None when it pushed none."""
    summary = freshness.read_summary(str(report.path))
    return summary.pushed_path if summary and summary.outcome == "pushed" else None


@contextlib.contextmanager
def _pushes_wait(destination: str) -> Iterator[None]:
    folder = location(destination)
    with contextlib.nullcontext() if is_remote(folder) or not folder.is_dir() else locked(folder):
        yield


def _total(verb: str, items: list[Item]) -> str:
    """Returns the last line: how much, and how many of each kind."""
    counts = Counter(item.kind for item in items)
    parts = [f"{count:,} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items()]
    size = megabytes(sum(item.byte_size for item in items))
    return f"{verb} {size}: {', '.join(parts) or 'there is nothing but what the config keeps'}."


def megabytes(byte_size: int) -> str:
    """Returns a number of bytes in megabytes, to a tenth."""
    return f"{byte_size / 1e6:,.1f} MB"
