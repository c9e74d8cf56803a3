"""The last step: a run whose model may not serve ends as a failed run, and says why."""

import pytest

from components import artifacts
from components.errors import NotBlessed
from components.report.summary import Summary
from components.verdict.executor import Executor
from tests import tiny_data

SUMMARY = {
    "run_id": "1",
    "outcome": "pushed",
    "metrics": {"accuracy": {"value": 0.8412, "low": 0.82, "high": 0.8604}},
    "n": 1000,
    "baseline": {"version": 3, "metrics": {"accuracy": {"value": 0.88, "low": 0.86, "high": 0.9}}},
    "difference": {"accuracy": {"value": -0.0388, "low": -0.06, "high": 0.0004}},
    "serving_path": "/runs/a/serving/3",
}


def judge(tmp_path, **changes) -> None:
    """Runs the step on a report with a summary."""
    report = tiny_data.new_artifact(artifacts.Report, tmp_path / "report")
    summary = Summary(**(SUMMARY | changes))
    (tmp_path / "report/summary.json").write_text(summary.as_json(), encoding="utf-8")
    Executor().Do({"report": [report]}, {}, {"output": "s3://runs/a", "source_hash": "abc"})


def test_a_blessed_model_lets_the_run_end_well(tmp_path):
    judge(tmp_path)


@pytest.mark.parametrize(
    ("serving_path", "serves"),
    [
        ("/runs/a/serving/3", "/runs/a/serving/3 goes on serving"),
        (None, "nothing serves yet"),
    ],
)
def test_a_refused_model_ends_the_run_with_reasons_what_serves_and_the_report(tmp_path, serving_path, serves):
    reasons = ["accuracy is 0.84, below 0.9.", "größer"]
    with pytest.raises(NotBlessed) as stopped:
        judge(tmp_path, outcome="not_blessed", reasons=reasons, serving_path=serving_path)
    assert str(stopped.value).splitlines() == [
        "The model is NOT blessed. Accuracy 84.1% (82.0% to 86.0%, n = 1,000), "
        "-3.9 points (-6.0 to 0.0) against version 3",
        "  accuracy is 0.84, below 0.9.",
        "  größer",
        f"Model   not pushed; {serves}",
        "Report  s3://runs/a/report.html",
    ]
