"""summary.json: what it says is read back, also from the files of earlier releases, and documented."""

import json
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest

from components.report.summary import Summary, verdict_sentence

DOCS = Path(__file__).parent.parent / "docs" / "summary.md"
ACCURACY = {"value": 0.871, "low": 0.849, "high": 0.89}
COMPLETE = Summary(
    run_id="20261120-140300",
    outcome="not_blessed",
    started=datetime(2026, 11, 20, 14, 3, tzinfo=timezone.utc),
    finished=datetime(2026, 11, 20, 14, 5, 7, tzinfo=timezone.utc),
    step_seconds={"ImageExampleGen": 2.5, "Trainer": 100.0},
    reasons=["größer"],
    findings=[{"severity": "warning", "feature": "label", "reason": "few"}],
    images={"train": {"cat": 3}, "eval": {"cat": 1}, "test": {"cat": 1}},
    metrics={"accuracy": ACCURACY, "auc": {"value": None, "low": None, "high": None}},
    n=1000,
    baseline={"version": 3, "reason": "it serves", "metrics": {"accuracy": ACCURACY}},
    difference={"accuracy": {"value": 0.0, "low": -0.01, "high": 0.01, "p_value": 1.0}},
    serving_version=3,
    serving_path="/serving/3",
    made_from={"images": "f1"},
)
OF_BEFORE = {
    "verdict": "withdrawn",
    "blessed": False,
    "accuracy": {**ACCURACY, "n": 1000},
    "reasons": ["it was rolled back"],
    "pushed_version": None,
    "pushed_path": None,
    "serving_path": "/serving/6",
    "report": "report.html",
    "written": "2026-11-20 14:03 UTC",
    "run_id": "20261120-140300",
    "made_from": {"images": "f1"},
}


def test_what_is_written_is_read_back():
    assert Summary.from_json(COMPLETE.as_json()) == COMPLETE
    failed = Summary("1", "failed", reasons=["no room"])
    assert Summary.from_json(failed.as_json()) == failed


def test_times_are_such_as_programs_read_and_people_see():
    written = json.loads(COMPLETE.as_json())
    assert written["started"] == "2026-11-20T14:03:00Z"
    assert written["finished"] == "2026-11-20T14:05:07Z"
    assert (written["seconds"], written["written"]) == (127, "2026-11-20 14:05 UTC")


def test_a_summary_of_an_earlier_release_is_read():
    assert Summary.from_json(json.dumps(OF_BEFORE)) == Summary(
        run_id="20261120-140300",
        outcome="withdrawn",
        finished=datetime(2026, 11, 20, 14, 3, tzinfo=timezone.utc),
        reasons=["it was rolled back"],
        metrics={"accuracy": ACCURACY},
        n=1000,
        serving_path="/serving/6",
        made_from={"images": "f1"},
    )


def test_every_key_that_an_earlier_release_wrote_is_still_there_and_means_the_same():
    assert json.loads(Summary.from_json(json.dumps(OF_BEFORE)).as_json()).items() >= OF_BEFORE.items()


def test_keys_of_a_later_release_are_passed_over():
    later = json.loads(COMPLETE.as_json()) | {"format": 3, "colour": "red"}
    assert Summary.from_json(json.dumps(later)) == COMPLETE


@pytest.mark.parametrize("damaged", ["", "[]", '{"format": 2}', '{"format": 2, "run_id": "1"}'])
def test_what_is_no_summary_is_a_value_error(damaged):
    with pytest.raises(ValueError):  # noqa: PT011 (of the reader of JSON, or of ours)
        Summary.from_json(damaged)


@pytest.mark.parametrize(
    ("low", "high", "said"), [(-0.0004, 0.0272, "(0.0 to +2.7)"), (-0.0501, -0.01, "(-5.0 to -1.0)")]
)
def test_the_verdict_is_said_with_accuracy_and_difference(low, high, said):
    change = {"accuracy": {"value": 0.0123, "low": low, "high": high}}
    summary = Summary(
        "1", "pushed", metrics={"accuracy": ACCURACY}, n=1000, difference=change, baseline=COMPLETE.baseline
    )
    assert verdict_sentence(summary) == (
        "The model is blessed. Accuracy 87.1% (84.9% to 89.0%, n = 1,000), "
        f"+1.2 points {said} against version 3"
    )


def test_a_difference_that_cannot_be_computed_is_left_out():
    unknown = {"accuracy": {"value": None, "low": None, "high": None}}
    summary = Summary("1", "pushed", metrics={"accuracy": ACCURACY}, n=1000, difference=unknown)
    assert verdict_sentence(summary).endswith("n = 1,000)")


def test_the_docs_explain_every_key_and_every_outcome():
    text = DOCS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)`", text, re.MULTILINE)
    keys = list(json.loads(COMPLETE.as_json()))
    outcomes = ["pushed", "unchanged", "judged", "not_blessed", "withdrawn", "data_refused", "failed"]
    assert sorted(rows) == sorted([*keys, *outcomes])
