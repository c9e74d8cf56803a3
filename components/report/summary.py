"""summary.json: how a run ended, for programs, for the next run and for the last lines of this one.

docs/summary.md explains every key. Imports no TensorFlow: the command line reads it.
"""

import dataclasses
import json
from datetime import datetime, timezone
from typing import Literal

from components.report.publish import PAGE, SUMMARY

FORMAT = 2

Outcome = Literal["pushed", "unchanged", "judged", "not_blessed", "withdrawn", "data_refused", "failed"]
BLESSED = ("pushed", "unchanged", "judged")

_TIME = "%Y-%m-%dT%H:%M:%SZ"  # what jq and most databases read
_TIME_FOR_PEOPLE = "%Y-%m-%d %H:%M UTC"


@dataclasses.dataclass(frozen=True)
class Summary:
    """How a run ended. What a run did not come to, or nobody could know, is None or empty.

    Attributes:
      run_id: of the run.
      outcome: what became of the data and the model.
      started: UTC; not known to the steps in a cluster.
      finished: UTC.
      step_seconds: how long each step took that was started, in their order; empty in a cluster.
      step: where a run ended whose data was refused, or that failed; None also when that was before any step.
      reasons: why it ended so, a sentence each; remarks where the model was blessed.
      advice: what a person can do about refused data or a failure.
      findings: of DataCheck, errors first: {"severity": "error" or "warning", "feature", "reason"}.
      images: that were used, by class, by split.
      metrics: of the candidate on the test split, {name: {"value", "low", "high"}}.
      n: images that it was judged by.
      test_set: fingerprint of these images; numbers of one test set are comparable.
      baseline: {"version", "reason", "metrics"} of the model that it was compared with.
      difference: candidate minus baseline, as `metrics`.
      pushed_version: as which the model serves.
      pushed_path: its folder or address.
      serving_version: that serves after the run, whoever made it.
      serving_path: its folder or address.
      made_from: see components.report.made_from; None when the next run has to try again.
    """

    run_id: str
    outcome: Outcome
    started: datetime | None = None
    finished: datetime | None = None
    step_seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    step: str | None = None
    reasons: list[str] = dataclasses.field(default_factory=list)
    advice: str | None = None
    findings: list[dict] = dataclasses.field(default_factory=list)
    images: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    metrics: dict[str, dict] = dataclasses.field(default_factory=dict)
    n: int | None = None
    test_set: str | None = None
    baseline: dict | None = None
    difference: dict[str, dict] = dataclasses.field(default_factory=dict)
    pushed_version: int | None = None
    pushed_path: str | None = None
    serving_version: int | None = None
    serving_path: str | None = None
    made_from: dict | None = None

    @property
    def blessed(self) -> bool:
        return self.outcome in BLESSED

    @property
    def is_judged(self) -> bool:
        """Whether the run came as far as to judge a model."""
        return self.outcome not in ("data_refused", "failed")

    @property
    def seconds(self) -> int | None:
        """How long the run took."""
        if self.started is None or self.finished is None:
            return None
        return round((self.finished - self.started).total_seconds())

    @property
    def written(self) -> str | None:
        """When the run ended, for people."""
        return self.finished and self.finished.strftime(_TIME_FOR_PEOPLE)

    @property
    def accuracy(self) -> dict | None:
        """{"value", "low", "high", "n"}; None without a model."""
        return {**self.metrics["accuracy"], "n": self.n} if "accuracy" in self.metrics else None

    def as_json(self) -> str:
        """Returns the content of summary.json."""
        content = {
            "format": FORMAT,
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)},
            "started": self.started and self.started.strftime(_TIME),
            "finished": self.finished and self.finished.strftime(_TIME),
            "seconds": self.seconds,
            "blessed": self.blessed,
            "accuracy": self.accuracy,
            "verdict": self.outcome,
            "written": self.written,
            "report": PAGE,
        }
        return json.dumps(content, ensure_ascii=False, indent=2)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Summary":
        """Reads the content of a summary.json; one without `format` was written by an earlier release.

        Raises:
          ValueError: when it is damaged.
        """
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError(f"{SUMMARY} must hold an object, got {type(content).__name__}")
        if "format" not in content:
            content = _as_written_now(content)
        names = {field.name for field in dataclasses.fields(cls)}
        known = {name: value for name, value in content.items() if name in names}
        times = {name: _time(known.get(name), _TIME) for name in ("started", "finished")}
        try:
            return cls(**(known | times))
        except TypeError as error:
            raise ValueError(f"{SUMMARY} lacks a key: {error}") from None


def verdict_sentence(summary: Summary) -> str:
    """Says whether the model is blessed, how good it is and how it compares with what served before."""
    accuracy, change = summary.accuracy, summary.difference.get("accuracy")
    sentence = (
        f"The model is {'blessed' if summary.blessed else 'NOT blessed'}. Accuracy {accuracy['value']:.1%} "
        f"({accuracy['low']:.1%} to {accuracy['high']:.1%}, n = {accuracy['n']:,})"
    )
    if change and change["value"] is not None:
        value, low, high = (_points(change[name]) for name in ("value", "low", "high"))
        sentence += f", {value} points ({low} to {high}) against version {summary.baseline['version']}"
    return sentence


def _points(share: float) -> str:
    text = f"{100 * share:+.1f}"
    return text if float(text) else "0.0"


def _time(text: str | None, form: str) -> datetime | None:
    return None if text is None else datetime.strptime(text, form).replace(tzinfo=timezone.utc)


def _as_written_now(before: dict) -> dict:
    """Returns what a summary of format 1, which did not say so, is in the present format."""
    outcome = before.get("verdict") or ("pushed" if before.get("blessed") else "not_blessed")
    accuracy = dict(before.get("accuracy") or {})
    finished = _time(before.get("written"), _TIME_FOR_PEOPLE)
    return (
        {"run_id": ""}
        | before
        | {
            "outcome": outcome,
            "n": accuracy.pop("n", None),
            "metrics": {"accuracy": accuracy} if accuracy else {},
            "finished": finished and finished.strftime(_TIME),
        }
    )
