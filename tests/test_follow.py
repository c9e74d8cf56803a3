"""`headstart submit --wait` and `--follow`, against a server that speaks Kubeflow Pipelines' API."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.kubeflow import follow
from tests.child_process import start
from tests.kfp_server import KfpServer, task
from tests.tiny_kubeflow import STEPS, prepare_workplace

ROOT = Path(__file__).parent.parent


@pytest.fixture
def server():
    with KfpServer() as running:
        yield running


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    return prepare_workplace(tmp_path, monkeypatch)


def submit(server, *arguments):
    return main(["submit", "clothes.yaml", "--host", server.address, *arguments])


DONE = {step: task("SUCCEEDED", 30 * (number + 1)) for number, step in enumerate(STEPS)}
DRIVERS = {
    "root": task("RUNNING"),
    "root-driver": task("SUCCEEDED", 3),
    "Trainer-driver": task("SUCCEEDED", 3),
}


def ending(state: str, **tasks: dict) -> list:
    """Returns the progress of a run whose tasks end so, Kubeflow's own tasks among them."""
    return [
        ("RUNNING", DRIVERS),
        (state, DRIVERS | {"executor": task("FAILED", 1), "root": task("FAILED", 99)} | tasks),
    ]


def test_waiting_shows_each_step_as_it_starts_and_ends(workplace, server, capsys):
    server.progress = [
        ("PENDING", {}),
        ("RUNNING", DRIVERS | {"ImageExampleGen": task("RUNNING"), "executor": task("RUNNING")}),
        ("RUNNING", DRIVERS | {"ImageExampleGen": DONE["ImageExampleGen"], "DataCheck": task("RUNNING")}),
        ("RUNNING", DRIVERS | {"ImageExampleGen": DONE["ImageExampleGen"], "DataCheck": task("RUNNING")}),
        ("SUCCEEDED", DRIVERS | DONE),
    ]
    assert submit(server, "--wait") == 0
    (run_id,) = server.runs
    shown = capsys.readouterr().out.splitlines()
    assert shown[-9:] == [
        f"Run {run_id}: {server.address}/#/runs/details/{run_id}",
        "       ImageExampleGen         started",
        " 1/4  ImageExampleGen            30 s",
        "       DataCheck               started",
        " 2/4  DataCheck                  60 s",
        " 3/4  Trainer                    90 s",
        " 4/4  Verdict                   120 s",
        "",
        "The run succeeded after 600 s: the model is blessed and pushed.",
    ]


@pytest.mark.parametrize(
    ("failed", "message", "exit_code", "words"),
    [
        ("Verdict", None, 3, "The model was not blessed after 600 s: Verdict failed."),
        ("DataCheck", None, 4, "The data was refused after 600 s: DataCheck failed."),
        (
            "ImageExampleGen",
            "This step is in Error state: exit code 1",
            4,
            "ImageExampleGen failed: This step",
        ),
        ("Trainer", None, 1, "The run failed after 600 s: Trainer failed."),
        ("Trainer", "OOMKilled (exit code 137)", 1, "Trainer failed: OOMKilled (exit code 137)"),
        (
            "DataCheck",
            "OOMKilled (exit code 137)",
            1,
            "The run failed after 600 s: DataCheck failed: OOMKilled",
        ),
        ("Verdict", "Back-off: ImagePullBackOff", 1, "The run failed after 600 s: Verdict failed: Back-off"),
        ("Verdict-driver", None, 1, "The run failed after 600 s: Verdict-driver failed."),
        ("exit-handler", None, 1, "Kubeflow does not say which step failed"),
    ],
)
def test_the_failed_step_decides_the_exit_code(workplace, server, capsys, failed, message, exit_code, words):
    server.progress = ending("FAILED", **{failed: task("FAILED", 40, message)})
    assert submit(server, "--wait") == exit_code
    (run_id,) = server.runs
    shown = capsys.readouterr().out
    assert words in shown
    assert shown.endswith(
        f"The end of the step's log has the reason: {server.address}/#/runs/details/{run_id}\n"
    )
    assert ("failed after 40 s" in shown) == (failed in STEPS)


def test_the_first_of_several_failed_steps_decides(workplace, server):
    server.progress = ending("FAILED", Verdict=task("FAILED", 50), DataCheck=task("FAILED", 40))
    assert submit(server, "--wait") == 4


@pytest.mark.parametrize("state", ["CANCELED", "SKIPPED"])
def test_a_run_that_was_cancelled_is_no_success(workplace, server, capsys, state):
    server.progress = [(state, {})]
    assert submit(server, "--wait") == 1
    assert f"The run ended as {state}" in capsys.readouterr().out


def test_steps_are_shown_when_the_api_leaves_out_the_spec(workplace, server, capsys):
    server.progress = [
        ("SUCCEEDED", DRIVERS | DONE | {"executor": task("RUNNING"), "executor(0)": task("RUNNING")})
    ]
    assert submit(server) == 0
    (run_id,) = server.runs
    del server.runs[run_id]["pipeline_spec"]
    capsys.readouterr()
    assert submit(server, "--follow", run_id) == 0
    shown = capsys.readouterr().out
    assert " 4/4  Verdict" in shown
    assert "executor" not in shown
    assert "driver" not in shown


def test_a_run_can_be_followed_later(workplace, server, capsys):
    server.progress = ending("FAILED", Verdict=task("FAILED", 40))
    assert submit(server) == 0
    (run_id,) = server.runs
    assert submit(server, "--follow", run_id) == 3
    assert len(server.posted("/runs")) == 1
    assert submit(server, "--follow", "no-such-run") == 2
    assert "does not know it (404)" in capsys.readouterr().err


def test_an_api_that_is_away_for_a_while_does_not_end_the_following(workplace, server, capsys):
    server.progress = [("SUCCEEDED", DONE)]
    reply, away = server.reply, [502, 503, 429]

    def upgraded_meanwhile(method, path, query, body):
        if method == "GET" and "/runs/" in path and away:
            return away.pop(), {"code": 14, "message": "no healthy upstream"}
        return reply(method, path, query, body)

    server.reply = upgraded_meanwhile
    assert submit(server, "--wait") == 0
    shown = capsys.readouterr().out
    assert shown.count("Trying again") == 1
    assert away == []


def test_an_api_that_stays_away_ends_the_following_but_not_the_run(workplace, server, capsys, monkeypatch):
    monkeypatch.setattr(follow, "PATIENCE_SECONDS", 0.05)
    server.answers = {("GET", "runs/[^/]*"): (503, {"code": 14, "message": "no healthy upstream"})}
    assert submit(server, "--wait") == 2
    shown = capsys.readouterr()
    (run_id,) = server.runs
    assert (
        f"The run goes on in the cluster. To follow it again: headstart submit clothes.yaml --follow {run_id}"
        in shown.out
    )
    assert "no healthy upstream" in shown.err
    assert server.changes()[-1] == "POST runs"


def test_ctrl_c_leaves_the_run_alone_and_says_how_to_follow_it(workplace, server):
    assert submit(server) == 0
    (run_id,) = server.runs
    command = [sys.executable, "-m", "pipeline.cli", "submit", str(workplace / "clothes.yaml")]
    process = start(
        [*command, "--host", server.address, "--follow", run_id],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while f"/apis/v2beta1/runs/{run_id}" not in [path for _, path, _ in server.requests]:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    shown, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped following; the run goes on in the cluster" in shown
    assert f"--follow {run_id}" in shown
    assert "Traceback" not in errors
    assert all(method in ("GET", "POST") for method, _, _ in server.requests)
