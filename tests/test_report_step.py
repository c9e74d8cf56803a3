"""The step Report: what it takes, writes and publishes, by the real executor on the files of a run."""

import json

import pytest
from tfx.types import channel_utils

from components import artifacts
from components.report import executor, mistakes
from components.report.component import Report
from components.report.made_from import config_hash
from components.source_index import SourceIndex
from tests.tiny_report import (
    CONFIG,
    made_predictions,
    text_of,
    write_run,
)


def test_the_component_takes_what_every_step_hands_over(tmp_path):
    inputs = {
        name: channel_utils.as_channel(made) for name, made in write_run(tmp_path, made_predictions()).items()
    }
    step = Report(**inputs, config="{}", code_hash="c", output="/runs/a", run_id="1", source_hash="abc")
    assert step.outputs["report"].type is artifacts.Report
    assert step.inputs.keys() == inputs.keys()


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The folder and the predictions of a run of the executor."""
    folder, made = tmp_path_factory.mktemp("executed"), made_predictions()
    report = artifacts.Report()
    report.uri = str(folder / "report")
    input_dict = write_run(folder, made)
    SourceIndex("f1", {}).write(folder / "ingest_report")
    executor.Executor().Do(
        input_dict,
        {"report": [report]},
        {
            "config": json.dumps(CONFIG),
            "code_hash": "c0de",
            "output": str(folder / "output"),
            "run_id": "20300102-030400",
            "source_hash": "abc",
        },
    )
    return folder, made


def test_the_executor_writes_page_and_summary(executed):
    folder, made = executed
    page = (folder / "report/report.html").read_text(encoding="utf-8")
    summary = json.loads((folder / "report/summary.json").read_text(encoding="utf-8"))
    wrong = int((made.candidate.argmax(axis=1) != made.label_index).sum())
    assert page.count("data:image/webp;base64,") == min(wrong, mistakes.MOST_SHOWN)
    assert summary["accuracy"]["value"] == pytest.approx(1 - wrong / 90)
    assert summary["accuracy"]["n"] == 90
    assert "<td>77<" in page
    assert "tensorflow-model-analysis" in page


def test_the_executor_publishes_the_report_and_keeps_it_under_the_name_of_the_run(executed):
    folder, _ = executed
    published = sorted(
        path.relative_to(folder / "output").as_posix() for path in folder.glob("output/**/*.*")
    )
    assert published == [
        "report.html",
        "reports/20300102-030400/report.html",
        "reports/20300102-030400/summary.json",
        "source_index.npz",
        "summary.json",
    ]
    for name in ("report.html", "summary.json"):
        original = (folder / "report" / name).read_bytes()
        assert (folder / "output" / name).read_bytes() == original
        assert (folder / "output/reports/20300102-030400" / name).read_bytes() == original


def test_the_summary_says_what_the_model_was_made_from(executed):
    summary = json.loads((executed[0] / "output/summary.json").read_text(encoding="utf-8"))
    made = summary["made_from"]
    judged_by = CONFIG | {"evaluation": {"thresholds": {"accuracy": {"at_least": 0.9}}}}
    assert made["config"] == config_hash(judged_by) != config_hash(CONFIG)
    assert (made["images"], made["code"], made["serving"]) == ("f1", "c0de", "5 abc")
    assert summary["run_id"] == "20300102-030400"


def test_the_page_shows_the_thresholds_that_the_model_was_judged_by(executed):
    assert "at_least: 0.9" in text_of((executed[0] / "report/report.html").read_text(encoding="utf-8"))
