"""The versions of a push destination as `headstart rollback --list` shows them. Imports no TensorFlow."""

from collections.abc import Iterator
from datetime import datetime, timezone

from components.pusher import history
from components.pusher.rollback import model_hash
from components.report.publish import HISTORY, SUMMARY
from components.report.summary import Summary
from components.serving_versions import has_model
from modules.storage import explained, files_below, location
from pipeline.config import Config


def lines(config: Config) -> list[str]:
    """Returns a heading and a line a version, newest first; only one line when there is no version.

    Raises:
      StorageError: when the push destination or the output is an address that cannot be read.
    """
    destination = config.push.destination
    versions = history.read(destination)
    if not versions:
        return [f"There is no version in {destination} yet."]
    accuracy_of_path = accuracies(config.output)
    hashes = {version.number: model_hash(version) for version in versions if has_model(version.path)}
    # A copy has the accuracy of what it is a copy of.
    accuracy_of_model = {
        hashes[version.number]: accuracy_of_path[str(version.path)]
        for version in versions
        if version.number in hashes and str(version.path) in accuracy_of_path
    }
    withdrawn = history.withdrawn(versions)
    listed = [f"{'version':>7}  {'pushed (UTC)':<16}  {'accuracy':>8}  {'classes':>7}"]
    for version in reversed(versions):
        content_hash = hashes.get(version.number)
        accuracy = accuracy_of_model.get(content_hash)
        accuracy = "-" if accuracy is None else f"{accuracy:.1%}"
        labels = version.manifest.get("labels")
        remarks = list(_remarks(version, content_hash, withdrawn, serves=version is versions[-1]))
        listed.append(
            f"{version.number:>7}  {_date(version):<16}  {accuracy:>8}  "
            f"{len(labels) if labels else '-':>7}  {'; '.join(remarks)}".rstrip()
        )
    return listed


def accuracies(output: str) -> dict[str, float]:
    """Returns the accuracy of each pushed version, by its folder, from the reports that are kept."""
    found = {}
    for name, file in files_below(location(output) / HISTORY).items():
        if name.endswith(f"/{SUMMARY}"):
            with explained(file):
                content = file.read_bytes()
            try:
                summary = Summary.from_json(content)
            except ValueError:  # damaged: it tells no accuracy
                continue
            if summary.pushed_path and summary.accuracy:
                found[summary.pushed_path] = summary.accuracy["value"]
    return found


def _remarks(
    version: history.Version, content_hash: str | None, withdrawn: dict[str, int], serves: bool
) -> Iterator[str]:
    if content_hash is None:
        yield "without a model"
    if serves:
        yield "serves now"
    if version.is_rollback:
        yield f"a copy of version {version.manifest['rolled_back_to']}"
    if content_hash in withdrawn:
        yield "rolled back: will not be pushed again"


def _date(version: history.Version) -> str:
    pushed_at = version.manifest.get("pushed_at")
    if pushed_at is None:
        return "-"
    return datetime.fromisoformat(pushed_at).astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M")
