"""Whether a new run would have anything new to work on: the present beside the last run that ended.

Imports no TensorFlow: an unchanged run is recognised before TFX is loaded, and a scheduled job asks often.
"""

import dataclasses

from components import serving_versions
from components.pusher import history, withdrawals
from components.report.made_from import made_from
from components.report.publish import SUMMARY
from components.report.summary import Summary
from modules.storage import location, read_if_there
from pipeline.config import Config
from pipeline.settings_json import as_dict
from pipeline.source_hash import code_hash

WHY_AGAIN = {"failed": "it failed", "judged": "its model was judged, but not pushed"}
"""Outcomes after which the next run has work to do although nothing has changed, in words."""


@dataclasses.dataclass(frozen=True)
class Freshness:
    """What has changed since the last run of an output folder that ended.

    Attributes:
      summary: of that run; None when there was none.
      changes: why another run has work to do, in words; empty when it has none.
      rolled_back: what `headstart rollback` did since then, in words; None when it did nothing.
    """

    summary: Summary | None
    changes: tuple[str, ...]
    rolled_back: str | None = None

    @property
    def is_fresh(self) -> bool:
        return self.summary is not None and not self.changes

    @property
    def why(self) -> str:
        """Returns what another run has to work on, in words; empty when it has nothing."""
        return "; ".join(self.changes) if self.summary else "the first run"

    def __str__(self) -> str:
        if self.summary is None:
            return "Stale: no run has finished yet."
        since = f"the run of {self.summary.written}" if self.summary.written else "the last run"
        if self.changes:
            return f"Stale since {since}: {self.why}."
        sentences = [f"Fresh: nothing has changed since {since}."]
        if self.summary.outcome == "data_refused":
            sentences.append("Its data was refused.")
        elif not self.summary.blessed:
            sentences.append("Its model was not blessed.")
        if self.rolled_back:
            sentences.append(f"{self.rolled_back}.")
        return " ".join(sentences)


def look(config: Config, source_fingerprint: str) -> Freshness:
    """Compares config, images, code, files, packages and serving model with those of the last run.

    That the serving model was rolled back since is no change: the same images and settings would only make
    the model again that somebody withdrew.

    Args:
      config: complete, see `pipeline.config_file.load_config`.
      source_fingerprint: of the images, see pipeline.source_state.

    Raises:
      StorageError: when the output or the push destination cannot be read.
    """
    summary = read_summary(config.output)
    if summary is None:
        return Freshness(None, ())
    if summary.outcome == "failed":
        return Freshness(summary, (WHY_AGAIN["failed"],))
    before = summary.made_from
    if before is None:
        return Freshness(summary, ("that run does not say what it was made from",))
    destination = config.push.destination
    now = made_from(as_dict(config), code_hash(), source_fingerprint, serving_versions.state(destination))
    changes = [
        f"{what} changed"
        for key, what in (("config", "the config"), ("images", "the images"), ("code", "the code"))
        if before[key] != now[key]
    ]
    changes += [
        f"the file of {key} changed" for key in sorted(now["files"]) if _is_another_file(key, before, now)
    ]
    changes += [
        f"{package} changed ({before['versions'].get(package, 'none')} -> {version})"
        for package, version in now["versions"].items()
        if before["versions"].get(package) != version
    ]
    if summary.outcome == "judged":
        changes.append(WHY_AGAIN["judged"])
    rolled_back = None
    if before["serving"] != now["serving"]:
        rolled_back = history.rolled_back_since(destination, before["serving"])
        if rolled_back is None:
            changes.append(f"the serving model changed ({_serving(before['serving'], now['serving'])})")
    if summary.outcome != "withdrawn" and (withdrawn := withdrawals.serving_although_withdrawn(destination)):
        changes.append(withdrawn)
    return Freshness(summary, tuple(changes), rolled_back)


def read_summary(output: str) -> Summary | None:
    """Returns the summary.json of the last run; None when there is none, or it is damaged.

    Raises:
      StorageError: when an address cannot be read.
    """
    content = read_if_there(location(output) / SUMMARY)
    if content is None:
        return None
    try:
        return Summary.from_json(content)
    except ValueError:  # of a disk that was full, or somebody's editor; the next run writes it anew
        return None


def _is_another_file(key: str, before: dict, now: dict) -> bool:
    """True when a file that a config names has another content; where that is not known, another path."""
    if key not in before["files"]:
        return False  # it was a word, such as imagenet, or nothing: then the config changed
    contents = before["files"][key], now["files"][key]
    if None in contents:
        return before.get("paths", {}).get(key) != now["paths"][key]
    return contents[0] != contents[1]


def _serving(before: str, now: str) -> str:
    """Returns two states of a push destination in few words, such as "3 -> 4"."""
    numbers = before.split()[0], now.split()[0]
    if numbers[0] == numbers[1]:
        return f"version {numbers[0]} is another model now"
    return " -> ".join(numbers)
