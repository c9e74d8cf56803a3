"""Refused and failed runs through the command line: what each leaves, and what the next one does."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.report.made_from import made_from
from components.report.summary import Summary
from components.schema_gen import executor as schema_gen
from modules.storage import StorageError
from pipeline import local_runner
from pipeline.check import written_bytes
from pipeline.cli import main
from pipeline.config_file import load_config
from pipeline.settings_json import as_dict
from pipeline.source_hash import code_hash
from tests.finished_runs import finish_a_run, source_fingerprint
from tests.test_freshness import serve
from tests.tiny_images import write_class_folders
from tests.tiny_report import text_of

ROOT = Path(__file__).parent.parent
BEFORE_THE_CHECK = ["ImageExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator"]
RUN = ["run", "photos.yaml", "--set", "model.weights=none"]
FRESH = ["fresh", *RUN[1:]]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with the images of two classes, 5 broken files among them, and their config."""
    monkeypatch.chdir(tmp_path)
    write_class_folders(tmp_path / "photos", count=30)
    for number in range(5):
        (tmp_path / f"photos/cat/broken {number}.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    assert main(["init", "photos"]) == 0
    return tmp_path


@pytest.fixture
def config(project):
    return load_config("photos.yaml", ["model.weights=none"])


def newest(project: Path) -> Summary:
    """Returns the summary of the last run, which lies under its id as well, each beside its page."""
    output = project / "runs/photos"
    summary = Summary.from_json((output / "summary.json").read_bytes())
    kept = output / "reports" / summary.run_id
    assert (kept / "summary.json").read_bytes() == (output / "summary.json").read_bytes()
    assert (kept / "report.html").read_bytes() == (output / "report.html").read_bytes()
    return summary


def page(project: Path) -> str:
    return text_of((project / "runs/photos/report.html").read_text(encoding="utf-8"))


def break_a_step(monkeypatch, error: Exception) -> None:
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(schema_gen.Executor, "Do", fail)


def test_a_refused_run_takes_the_place_of_an_older_one_and_is_not_tried_again(project, config, capfd):
    serve(config, 3, b"old")
    finish_a_run(config, "older images")
    assert main(RUN) == 4
    first = capfd.readouterr().out

    summary = newest(project)
    assert (summary.outcome, summary.step) == ("data_refused", "DataCheck")
    assert "5 of 65 files were set aside" in summary.reasons[0]
    assert list(summary.step_seconds) == [*BEFORE_THE_CHECK, "DataCheck"]
    assert summary.started <= summary.finished
    assert 0 < sum(summary.step_seconds.values()) <= summary.seconds + 1
    assert (summary.serving_version, summary.pushed_version) == (3, None)
    assert sum(sum(classes.values()) for classes in summary.images.values()) == 60
    assert "Refused: the data was not trained on" in page(project)
    end = first[
        first.index("\nDataCheck stopped the run: the data was refused before training, for 1 reason:") :
    ]
    assert "\n  error: data: 5 of 65 files were set aside" in end
    assert end.splitlines()[-3:] == [
        "Fix the data.",
        f"Model   not pushed; {project}/runs/photos/serving/3 goes on serving",
        f"Report  {project}/runs/photos/report.html",
    ]

    code = "import sys; from pipeline.cli import main; print(main(sys.argv[1:]), 'tfx' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    again = subprocess.run(
        [sys.executable, "-c", code, *RUN], env=environment, capture_output=True, text=True
    )
    assert again.stdout == f"Nothing has changed since the last run; its result holds.\n{end}4 False\n"
    assert main(FRESH) == 4
    assert capfd.readouterr().out.endswith(f"since the run of {summary.written}. Its data was refused.\n")
    assert newest(project) == summary

    next((project / "photos/cat").glob("broken*")).unlink()
    assert main(FRESH) == 5
    assert capfd.readouterr().out == f"Stale since the run of {summary.written}: the images changed.\n"


def test_data_that_ingest_refuses_are_not_tried_again_either(project, config, capfd):
    one_class = ["--set", "data.max_rejected_share=1"]
    for image in (project / "photos/dog").iterdir():
        image.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    assert main([*RUN, *one_class]) == 4

    summary = newest(project)
    assert (summary.outcome, summary.step) == ("data_refused", "ImageExampleGen")
    assert list(summary.step_seconds) == ["ImageExampleGen"]
    assert "has only one class, 'cat'" in summary.reasons[0]
    assert "has only one class, 'cat'" in page(project)
    changed = load_config("photos.yaml", ["model.weights=none", "data.max_rejected_share=1"])
    assert summary.made_from == made_from(as_dict(changed), code_hash(), source_fingerprint(config), "none")
    first = capfd.readouterr().out
    assert main([*RUN, *one_class]) == 4
    assert capfd.readouterr().out.split("\n\n")[1] == first.split("\n\n")[1]
    assert main([*FRESH, *one_class]) == 4


@pytest.mark.parametrize(
    ("error", "exit_code", "reason"),
    [
        (KeyError("label"), 1, "KeyError: 'label'"),
        (StorageError("s3://photos cannot be reached"), 2, "s3://photos cannot be reached"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "the disk that holds"),
    ],
)
def test_a_step_that_fails_leaves_a_report_that_says_so(
    project, config, capfd, monkeypatch, error, exit_code, reason
):
    finish_a_run(config, "older images")
    break_a_step(monkeypatch, error)
    assert main(RUN) == exit_code
    assert reason in capfd.readouterr().out

    summary = newest(project)
    assert (summary.outcome, summary.step, summary.made_from) == ("failed", "SchemaGen", None)
    assert summary.reasons[0].startswith(reason)
    assert list(summary.step_seconds) == BEFORE_THE_CHECK[:3]
    assert summary.seconds is not None
    assert "Failed at the step SchemaGen" in page(project)
    assert reason in page(project)
    assert f"The log is {project}/runs/photos/logs/{summary.run_id}.log" in page(project)
    assert main(FRESH) == 5
    assert capfd.readouterr().out == f"Stale since the run of {summary.written}: it failed.\n"


def test_after_a_failed_run_the_same_command_goes_on_from_what_is_finished(
    project, config, capfd, monkeypatch
):
    finish_a_run(config, "older images")
    with monkeypatch.context() as broken:
        break_a_step(broken, KeyError("label"))
        assert main(RUN) == 1
    assert written_bytes(config.output) > 0
    capfd.readouterr()

    assert main(RUN) == 4
    assert " 1/13  ImageExampleGen           cached\n" in capfd.readouterr().out
    assert newest(project).step == "DataCheck"
    kept = [json.loads(file.read_bytes()) for file in project.glob("runs/photos/reports/*/summary.json")]
    assert sorted(summary["outcome"] for summary in kept) == ["data_refused", "failed", "pushed"]


def test_a_run_that_cannot_start_leaves_a_report_that_says_so(project, config, capfd, monkeypatch):
    finish_a_run(config, "older images")
    serve(config, 3, b"old")
    monkeypatch.setattr(local_runner, "missing_weights", lambda model: "the server does not answer")
    assert main(RUN) == 2

    summary = newest(project)
    assert (summary.outcome, summary.step, summary.step_seconds) == ("failed", None, {})
    assert summary.reasons == ["the server does not answer"]
    assert summary.serving_version == 3
    assert "Failed before the first step Version 3 serves. the server does not answer" in page(project)
    assert main(FRESH) == 5


def test_a_report_that_cannot_be_written_changes_nothing_about_how_a_run_ended(
    project, config, capfd, monkeypatch
):
    finish_a_run(config, "older images")
    before = newest(project)
    monkeypatch.setattr(local_runner, "missing_weights", lambda model: "the server does not answer")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pipeline.run_record.publish", full)
    assert main(RUN) == 2
    assert "Error: the server does not answer" in capfd.readouterr().err
    assert newest(project) == before
