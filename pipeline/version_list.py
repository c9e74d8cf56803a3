"""The versions of a push destination as `headstart versions` shows them. Imports no TensorFlow."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import PurePosixPath

from components import serving_versions
from components.pusher import history, withdrawals
from components.pusher.history import Version
from components.pusher.strangers import strangers
from components.report.publish import HISTORY, PAGE, SUMMARY
from components.report.summary import Summary
from modules.storage import explained, files_below, location
from pipeline.config import Config

_HEADING = ("version", "pushed (UTC)", "accuracy", "images", "test set", "classes", "run", "remarks")
_TEST_SET_DIGITS = 8


def lines(config: Config) -> list[str]:
    """Returns a heading and a line per version, newest first, then where reports lie and what is strange.

    Raises:
      StorageError: when the push destination or the output is an address that cannot be read.
    """
    destination = config.push.destination
    versions = history.read(destination)
    strange = [f"Not from a push, in {destination}: {line}" for line in strangers(destination)]
    if not versions:
        return [f"There is no version in {destination} yet.", *strange]
    runs = _runs(config.output)
    withdrawn = withdrawals.read(destination)
    told = {version.number: _accuracy(version, runs, versions) for version in versions}
    rows = [_HEADING]
    for version in reversed(versions):
        accuracy = told[version.number]
        test_set = (version.manifest.get("test_set") or "-")[:_TEST_SET_DIGITS]
        labels = version.manifest.get("labels")
        remarks = _remarks(version, withdrawn.values(), serves=version is versions[-1])
        rows.append(
            (
                str(version.number),
                _date(version),
                f"{accuracy['value']:.1%}" if accuracy else "-",
                f"{accuracy['n']:,}" if accuracy else "-",
                test_set,
                str(len(labels)) if labels else "-",
                _run_id(version, runs) or "-",
                "; ".join(remarks),
            )
        )
    removed = sorted(withdrawn.keys() - told.keys())
    return [
        *_table(rows),
        *([f"Rolled back, and removed since: version {', '.join(map(str, removed))}."] if removed else []),
        *([f"Reports: {config.output}/{HISTORY}/RUN/{PAGE}"] if runs else []),
        *strange,
    ]


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Returns lines with columns of equal width; numbers to the right, text to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = (True, False, True, True, False, True, False, False)
    return [
        "  ".join(
            text.rjust(width) if to_the_right else text.ljust(width)
            for text, width, to_the_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    ]


def _accuracy(version: Version, runs: Mapping[str, Summary], versions: Iterable[Version]) -> dict | None:
    """Returns {"value", "n", ...} of a version on its test split; of a copy, what its original has."""
    if accuracy := version.manifest.get("accuracy"):
        return accuracy
    # A manifest of before does not say it: the report of the run that pushed the version does.
    for run in runs.values():
        if run.accuracy and _is_of(run, version):
            return run.accuracy
    if version.is_rollback:
        original = version.manifest["rolled_back_to"]
        for other in versions:
            if other.number == original and other.number != version.number:
                return _accuracy(other, runs, versions)
    return None


def _run_id(version: Version, runs: Mapping[str, Summary]) -> str | None:
    """Returns the run that made a version's model."""
    if run_id := version.manifest.get("run_id"):
        return run_id
    return next((run_id for run_id, run in runs.items() if _is_of(run, version)), None)


def _is_of(run: Summary, version: Version) -> bool:
    path = run.pushed_path
    return bool(path) and PurePosixPath(path) == PurePosixPath(str(version.path))


def _runs(output: str) -> dict[str, Summary]:
    """Returns the summaries of the runs whose reports are kept, by run id."""
    found = {}
    for name, file in files_below(location(output) / HISTORY).items():
        if name.endswith(f"/{SUMMARY}"):
            with explained(file):
                content = file.read_bytes()
            try:
                found[name.partition("/")[0]] = Summary.from_json(content)
            except ValueError:  # damaged: it tells nothing
                continue
    return found


def _remarks(version: Version, withdrawn: Iterable[withdrawals.Withdrawal], serves: bool) -> Iterator[str]:
    if not serving_versions.has_model(version.path):
        yield "without a model"
    if serves:
        yield "serves now"
    if version.is_rollback:
        yield f"a copy of version {version.manifest['rolled_back_to']}"
    if withdrawals.is_withdrawn(version, withdrawn):
        yield "rolled back: will not be pushed again"
    if because := version.manifest.get("because"):
        yield f"because: {because}"


def _date(version: Version) -> str:
    pushed_at = version.manifest.get("pushed_at")
    if pushed_at is None:
        return "-"
    return datetime.fromisoformat(pushed_at).astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M")
