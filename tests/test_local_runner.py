"""How a run on this machine ends: exit codes, last lines, the published report, and signals."""

import dataclasses
import io
import json
import logging
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from components.errors import RunStopped
from modules.recipe import Model, Training
from pipeline import local_runner
from pipeline.config import Config, Data
from pipeline.config_file import complete
from pipeline.console import plain_console
from pipeline.local_runner import ExitCode
from pipeline.recipes import load_stages

SUMMARY = {
    "blessed": True,
    "accuracy": {"value": 0.8412, "low": 0.82, "high": 0.8604, "n": 1000},
    "reasons": [],
    "pushed_path": "/runs/a/serving/3",
    "serving_path": "/runs/a/serving/3",
}


@pytest.fixture
def console():
    """A console that keeps what it prints; `console.file.getvalue()` gives it back."""
    return plain_console(io.StringIO())


def last_lines(console, tmp_path, **changes) -> list[str]:
    local_runner.print_summary(console, SUMMARY | changes, tmp_path)
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
        "blessed": False,
        "reasons": ["auc is low."],
        "pushed_path": None,
        "serving_path": serving_path,
    }
    lines = last_lines(console, tmp_path, **refused)
    assert lines[0].startswith("The model is NOT blessed.")
    assert lines[1:3] == ["  auc is low.", line]


def test_a_folder_with_brackets_in_its_name_is_printed_as_it_is(console, tmp_path):
    assert last_lines(console, tmp_path / "[red]")[-1] == f"Report  {tmp_path}/[red]/report.html"


@pytest.mark.parametrize(
    ("error", "exit_code", "shown"),
    [
        (
            RunStopped("3 of 9 files were set aside"),
            4,
            "DataCheck stopped the run: 3 of 9 files were set aside",
        ),
        (ConnectionError("no weights"), 2, "DataCheck: no weights"),
        (KeyError("label"), 1, "DataCheck failed: KeyError: 'label'"),
    ],
)
def test_each_way_to_fail_has_its_exit_code_and_no_traceback(console, caplog, error, exit_code, shown):
    with caplog.at_level(logging.ERROR):
        assert local_runner._explain(SimpleNamespace(step="DataCheck", error=error), console) == exit_code
    assert console.file.getvalue().strip().splitlines()[0] == shown
    assert "Traceback" not in console.file.getvalue()
    assert bool(caplog.records) == (exit_code == ExitCode.UNEXPECTED)  # the log has the traceback


def test_the_report_of_the_newest_run_is_published(tmp_path):
    for number in ("9", "10"):
        folder = tmp_path / "pipeline" / "Report" / "report" / number
        folder.mkdir(parents=True)
        (folder / "report.html").write_text(f"page {number}")
        (folder / "summary.json").write_text(json.dumps({"run": number}))
    assert local_runner.publish_report(tmp_path) == {"run": "10"}
    assert (tmp_path / "report.html").read_text() == "page 10"
    assert json.loads((tmp_path / "summary.json").read_text()) == {"run": "10"}


def test_the_fingerprint_changes_with_config_images_weights_and_serving_model(tmp_path):
    weights = tmp_path / "own.weights.h5"
    weights.write_bytes(b"1")
    config = complete(
        Config(
            name="a",
            output=str(tmp_path / "out"),
            data=Data(source="photos"),
            model=Model(weights=str(weights)),
            training=Training(recipe=load_stages("fine_tuning")),
        )
    )
    before = local_runner.fingerprint(config, "images")
    assert local_runner.fingerprint(config, "images") == before

    other_seed = dataclasses.replace(config, training=dataclasses.replace(config.training, seed=1))
    found = {
        before,
        local_runner.fingerprint(config, "other"),
        local_runner.fingerprint(other_seed, "images"),
    }
    weights.write_bytes(b"22")
    found.add(local_runner.fingerprint(config, "images"))
    served = tmp_path / "out" / "serving" / "1"
    served.mkdir(parents=True)
    (served / "saved_model.pb").write_bytes(b"graph")
    found.add(local_runner.fingerprint(config, "images"))
    assert len(found) == 5


STOPPED_BY_ITSELF = """
import os, signal, subprocess, sys, threading
from pipeline.console import plain_console
from pipeline.local_runner import _stopped_by_signals
child = subprocess.Popen(["sleep", "60"])
threading.Thread(target=threading.Event().wait).start()  # as Beam's do, it would keep the process alive
with _stopped_by_signals(plain_console()):
    print(child.pid, flush=True)
    os.kill(os.getpid(), int(sys.argv[1]))
    signal.pause()
"""


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_threads_and_children_at_once_and_says_how_to_go_on(number, exit_code):
    command = [sys.executable, "-c", STOPPED_BY_ITSELF, str(int(number))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        shown, errors = process.communicate(timeout=30)
    child, *lines = shown.split("\n")
    assert process.returncode == exit_code
    assert errors == ""
    assert "the same command goes on from there" in "".join(lines)
    deadline = time.monotonic() + 10  # a killed process is not gone at once; unkilled, it lives 60 s
    while is_alive(int(child)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(int(child))


def test_signals_are_handled_as_before_after_a_run(console):
    before = signal.getsignal(signal.SIGINT)
    with local_runner._stopped_by_signals(console):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
