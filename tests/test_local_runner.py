"""How a run on this machine ends: exit codes, last lines, the published report, and signals."""

import dataclasses
import errno
import io
import logging
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from components.report.summary import Summary
from pipeline import freshness, full_disk, local_runner
from pipeline.console import plain_console
from pipeline.local_runner import ExitCode

SUMMARY = Summary(
    run_id="1",
    outcome="pushed",
    metrics={"accuracy": {"value": 0.8412, "low": 0.82, "high": 0.8604}},
    n=1000,
    pushed_path="/runs/a/serving/3",
    serving_path="/runs/a/serving/3",
)
BETTER = {
    "baseline": {"version": 3, "reason": "it serves", "metrics": {}},
    "difference": {"accuracy": {"value": 0.0123, "low": -0.0031, "high": 0.0272, "p_value": 0.2}},
}


@pytest.fixture
def console():
    """A console that keeps what it prints; `console.file.getvalue()` gives it back."""
    return plain_console(io.StringIO())


def last_lines(console, tmp_path, **changes) -> list[str]:
    local_runner.print_summary(console, dataclasses.replace(SUMMARY, **changes), tmp_path)
    return console.file.getvalue().strip().splitlines()


def test_the_last_lines_say_verdict_accuracy_with_interval_model_and_report(console, tmp_path):
    assert last_lines(console, tmp_path) == [
        "The model is blessed. Accuracy 84.1% (82.0% to 86.0%, n = 1,000)",
        "Model   /runs/a/serving/3",
        f"Report  {tmp_path}/report.html",
    ]


@pytest.mark.parametrize(
    ("serving_path", "line"),
    [
        ("/runs/a/serving/2", "Model   not pushed; /runs/a/serving/2 goes on serving"),
        (None, "Model   not pushed; nothing serves yet"),
    ],
)
def test_a_refused_model_is_shown_with_its_reasons_and_what_serves(console, tmp_path, serving_path, line):
    refused = {
        "outcome": "not_blessed",
        "reasons": ["auc is low."],
        "pushed_path": None,
        "serving_path": serving_path,
    }
    lines = last_lines(console, tmp_path, **refused)
    assert lines[0].startswith("The model is NOT blessed.")
    assert lines[1:3] == ["  auc is low.", line]


@pytest.mark.parametrize(("outcome", "verdict"), [("pushed", "blessed"), ("not_blessed", "NOT blessed")])
def test_the_difference_from_the_model_before_is_shown_with_its_interval(console, tmp_path, outcome, verdict):
    assert last_lines(console, tmp_path, outcome=outcome, **BETTER)[0] == (
        f"The model is {verdict}. Accuracy 84.1% (82.0% to 86.0%, n = 1,000), "
        "+1.2 points (-0.3 to +2.7) against version 3"
    )


def test_how_long_a_run_took_is_shown_when_it_ends_and_not_when_nothing_changed_since(console, tmp_path):
    started = datetime(2026, 11, 20, 14, 3, tzinfo=timezone.utc)
    times = {"started": started, "finished": started + timedelta(seconds=83)}
    assert last_lines(console, tmp_path, **times)[0].endswith("n = 1,000), after 83 s")
    summary = dataclasses.replace(SUMMARY, **times)
    local_runner.print_summary(console, summary, tmp_path, freshness.Freshness(summary, ()))
    assert console.file.getvalue().count("after 83 s") == 1


def test_what_the_data_check_had_to_say_about_accepted_data_is_among_the_last_lines(console, tmp_path):
    findings = [{"severity": "warning", "feature": "label", "reason": f"class {n}"} for n in range(13)]
    lines = last_lines(console, tmp_path, findings=findings)
    assert lines[1:4] == [
        "Data    accepted, although the data check found:",
        "  warning: label: class 0",
        "  warning: label: class 1",
    ]
    assert lines[11:] == [
        "  warning: label: class 9",
        "  and 3 more",
        "Model   /runs/a/serving/3",
        f"Report  {tmp_path}/report.html",
    ]


def test_a_folder_with_brackets_in_its_name_is_printed_as_it_is(console, tmp_path):
    assert last_lines(console, tmp_path / "[red]")[-1] == f"Report  {tmp_path}/[red]/report.html"


def explain(error: Exception, console, tmp_path) -> ExitCode:
    config = SimpleNamespace(output=str(tmp_path), push=SimpleNamespace(destination="s3://models/pets"))
    return local_runner._explain("DataCheck", error, config, console)


@pytest.mark.parametrize(
    ("error", "exit_code", "shown"),
    [
        (ConnectionError("no weights"), 2, "DataCheck: no weights"),
        (KeyError("label"), 1, "DataCheck failed: KeyError: 'label'"),
    ],
)
def test_each_way_to_fail_has_its_exit_code_and_no_traceback(
    console, caplog, tmp_path, error, exit_code, shown
):
    with caplog.at_level(logging.ERROR):
        assert explain(error, console, tmp_path) == exit_code
    assert console.file.getvalue().strip().splitlines()[0] == shown
    assert "Traceback" not in console.file.getvalue()
    assert bool(caplog.records) == (exit_code == ExitCode.UNEXPECTED)  # the log has the traceback


def test_a_run_that_was_rolled_back_is_not_shown_as_if_it_still_served(console, tmp_path):
    unchanged = freshness.Freshness(SUMMARY, (), "Version 3 was rolled back: version 4 serves now")
    local_runner.print_summary(console, SUMMARY, tmp_path, unchanged)
    assert console.file.getvalue().splitlines()[:2] == [
        "Nothing has changed since the last run; its result holds.",
        "Version 3 was rolled back: version 4 serves now.",
    ]


@pytest.mark.parametrize(
    ("outcome", "exit_code"),
    [("pushed", 0), ("unchanged", 0), ("not_blessed", 3), ("withdrawn", 3), ("data_refused", 4)],
)
def test_the_exit_code_of_a_run_that_came_to_a_result_is_that_of_its_outcome(outcome, exit_code):
    assert local_runner.exit_code_of(Summary("1", outcome)) == exit_code


def wrapped(error: Exception) -> Exception:
    outer = RuntimeError("Beam gives every error a new message")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/somewhere/data.gz"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        wrapped(OSError(errno.ENOSPC, "No space left on device")),
        RuntimeError("Can't write data (errno = 28, error message = 'No space left on device')"),
        RuntimeError("Error when executing query: database or disk is full query: CREATE TABLE"),
    ],
)
def test_a_full_disk_is_named_with_the_way_on(console, caplog, tmp_path, monkeypatch, error):
    full = {str(tmp_path): 3_000_000}
    monkeypatch.setattr(
        full_disk.shutil, "disk_usage", lambda folder: SimpleNamespace(free=full.get(str(folder), 9e9))
    )
    assert explain(error, console, tmp_path) == ExitCode.BAD_INPUT
    assert console.file.getvalue() == (
        f"\nDataCheck: the disk that holds {tmp_path} is full (3 MB are free). Make room there. What is "
        "finished is kept: the same command goes on from there.\n"
    )
    assert caplog.records == []


def test_an_error_that_says_nothing_of_a_disk_is_not_taken_for_a_full_one():
    assert not full_disk.is_full_disk(wrapped(OSError(errno.EACCES, "Permission denied")))
