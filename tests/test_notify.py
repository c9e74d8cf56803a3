"""`notify`: who is told how a run ended, through `headstart run` and `headstart check`."""

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from components.errors import NotBlessed, RunStopped
from pipeline import beam_runner
from pipeline.beam_runner import Ended, Failure
from pipeline.cli import main
from pipeline.config_file import load_config
from pipeline.kubeflow import follow
from tests.finished_runs import finish_a_run
from tests.kfp_server import KfpServer, task
from tests.tiny_config import problems_of, write_config
from tests.tiny_images import write_class_folders
from tests.tiny_kubeflow import STEPS, prepare_workplace
from tests.webhook import Webhook

VARIABLE = "PHOTOS_WEBHOOK"
NOTIFY = (
    f"notify: {{on: [pushed, not_blessed, data_refused, failed], url_env: {VARIABLE}, timeout_seconds: 1}}"
)
DEAF = "Nobody was notified of 'failed': "


@pytest.fixture
def webhook(monkeypatch):
    with Webhook() as running:
        monkeypatch.setenv(VARIABLE, running.address)
        yield running


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A working directory with images and a config whose runs are told to the webhook."""
    monkeypatch.chdir(tmp_path)
    write_class_folders(tmp_path / "photos", ("cat", "dog"), count=30)
    (tmp_path / "photos.yaml").write_text(
        f"name: photos\noutput: out\ndata: {{source: photos}}\nmodel: {{weights: none}}\n{NOTIFY}\n"
    )
    return tmp_path


@pytest.fixture
def run(workplace, monkeypatch, capfd):
    """Runs the config with a pipeline that ends as the test says; returns exit code and what was printed."""

    def run(failure: Failure | None = None, *arguments: str, **summary) -> tuple[int, str]:
        def end(pipeline, console):
            if summary:
                (pusher,) = [step for step in pipeline.components if step.id == "Pusher"]
                run_id = pusher.exec_properties["run_id"]
                finish_a_run(load_config("photos.yaml"), run_id=run_id, **summary)
            return Ended(failure, {})

        monkeypatch.setattr(beam_runner, "run", end)
        code = main(["run", "photos.yaml", *arguments])
        printed = capfd.readouterr()
        return code, printed.out + printed.err

    return run


def broken() -> Failure:
    return Failure("Trainer", ValueError("the loss\nis nan"))


def logs() -> str:
    return "".join(file.read_text() for file in Path("out/logs").iterdir())


def test_a_pushed_model_is_told_with_version_accuracy_and_the_places_of_its_report(run, webhook, workplace):
    code, printed = run(pushed_version=3)
    assert code == 0
    (told,) = webhook.received
    run_id = told["run_id"]
    assert (workplace / "out" / "logs" / f"{run_id}.log").exists()
    assert told == {
        "pipeline": "photos",
        "run_id": run_id,
        "outcome": "pushed",
        "text": "photos: version 3 was pushed and serves now; accuracy 90.0% (80.0% to 95.0%, n = 40).",
        "report": f"{workplace}/out/reports/{run_id}/report.html",
        "summary": f"{workplace}/out/reports/{run_id}/summary.json",
    }
    assert "notified" not in printed


def test_a_model_that_was_not_blessed_is_told_with_its_reasons(run, webhook):
    code, _ = run(Failure("Verdict", NotBlessed("no")), blessed=False, reasons=["Accuracy is too low."])
    assert code == 3
    (told,) = webhook.received
    assert told["outcome"] == "not_blessed"
    assert told["text"].startswith("photos: the model was not blessed; accuracy 90.0%")
    assert told["text"].endswith(" Accuracy is too low.")


@pytest.mark.parametrize(
    ("failure", "exit_code", "outcome", "text"),
    [
        (Failure("DataCheck", RunStopped("no cat")), 4, "data_refused", "DataCheck stopped the run: no cat"),
        (broken(), 1, "failed", "Trainer failed: ValueError: the loss is nan"),
        (Failure("Pusher", ConnectionError("gone")), 2, "failed", "Pusher failed: gone"),
    ],
)
def test_a_run_that_a_step_ended_is_told(run, webhook, failure, exit_code, outcome, text):
    code, _ = run(failure)
    assert code == exit_code
    (told,) = webhook.received
    assert (told["outcome"], told["text"]) == (outcome, f"photos: {text}")


def test_only_the_outcomes_that_the_config_names_are_told(run, webhook):
    assert run(broken(), "--set", "notify.on=[pushed, data_refused]")[0] == 1
    assert webhook.received == []


def test_a_run_that_ends_outside_of_its_steps_is_told(workplace, webhook, monkeypatch, capfd):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(beam_runner, "run", fail)
    assert main(["run", "photos.yaml"]) == 2
    assert [told["outcome"] for told in webhook.received] == ["failed"]


def test_a_run_whose_images_are_gone_is_told_before_it_has_an_id(run, webhook, workplace):
    (workplace / "photos").rename(workplace / "elsewhere")
    assert run()[0] == 2
    (told,) = webhook.received
    assert (told["outcome"], told["run_id"]) == ("failed", None)
    assert "data.source" in told["text"]


def test_nothing_is_told_of_a_run_that_found_nothing_new(run, webhook, workplace):
    finish_a_run(load_config("photos.yaml"))
    assert run(broken())[0] == 0
    assert webhook.received == []


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (500, f"the address in {VARIABLE} answered 500"),
        (404, f"the address in {VARIABLE} answered 404"),
        ("hang", f"the address in {VARIABLE} did not answer within 1 s"),
        ("drip", f"the address in {VARIABLE} did not answer within 1 s"),
        ("close", f"the address in {VARIABLE} cannot be reached, or ended the connection"),
        ("babble", f"the address in {VARIABLE} cannot be reached, or ended the connection"),
        (
            307,
            f"the address in {VARIABLE} answered 307, a redirect; it is not followed, because the address is "
            "a secret",
        ),
    ],
)
def test_a_receiver_that_fails_is_one_line_and_the_run_ends_as_it_did(run, webhook, behaviour, reason):
    webhook.behaviour = behaviour
    code, printed = run(broken())
    assert code == 1
    lines = [line.strip() for line in printed.splitlines() if "notified" in line]
    assert lines == [DEAF + reason]
    assert DEAF + reason in logs()
    for secret in ("very-secret", "hidden"):
        assert secret not in printed + logs()
    assert len(webhook.received) == 1
    assert webhook.paths == ["/services/very-secret?key=hidden"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, f"notify.url_env: {VARIABLE} is not set"),
        ("", f"notify.url_env: {VARIABLE} is not set"),
        ("very-secret", f"notify.url_env: {VARIABLE} does not hold an address with http:// or https://"),
        (
            "ftp://very-secret/x",
            f"notify.url_env: {VARIABLE} does not hold an address with http:// or https://",
        ),
        (
            "http://[very-secret",
            f"notify.url_env: {VARIABLE} does not hold an address with http:// or https://",
        ),
        ("http://127.0.0.1:99999/very-secret", "does not hold an address with http:// or https://"),
        ("http://very-secret..invalid/x", f"the address in {VARIABLE} cannot be"),
        (
            "http://127.0.0.1:CLOSED/very-secret",
            f"the address in {VARIABLE} cannot be reached, or ended the connection",
        ),
    ],
)
def test_an_address_that_is_wrong_is_said_without_being_shown(run, monkeypatch, value, reason):
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            monkeypatch.setenv(VARIABLE, value.replace("CLOSED", str(found.getsockname()[1])))
    code, printed = run(broken())
    assert code == 1
    (line,) = [line for line in printed.splitlines() if "notified" in line]
    assert reason in line
    assert "very-secret" not in printed + logs()


def test_spaces_and_line_ends_around_the_address_do_not_count(run, webhook, monkeypatch):
    monkeypatch.setenv(VARIABLE, f" {webhook.address}\n")
    assert "notified" not in run(broken())[1]
    assert len(webhook.received) == 1


# A command


def told_by_command(run, workplace: Path, program: str, *more: str) -> tuple[int, str]:
    """Runs the config with a Python program as its command."""
    (workplace / "tell.py").write_text(program)
    command = f"'{sys.executable}' '{workplace / 'tell.py'}' 'two words' $HOME;ls"
    sets = [f"notify.command={json.dumps(command)}", "notify.url_env=", *more]
    return run(broken(), *(part for override in sets for part in ("--set", override)))


def test_a_command_gets_json_and_facts_and_no_shell_reads_it(run, workplace):
    program = """
import json, os, sys
facts = {name: value for name, value in os.environ.items() if name.startswith("HEADSTART_")}
json.dump([json.load(sys.stdin), facts, sys.argv[1:]], open("told.json", "w"))
"""
    code, printed = told_by_command(run, workplace, program)
    assert (code, "notified" in printed) == (1, False)
    message, facts, arguments = json.loads((workplace / "told.json").read_text())
    assert message["text"] == "photos: Trainer failed: ValueError: the loss is nan"
    assert facts == {
        "HEADSTART_PIPELINE": "photos",
        "HEADSTART_RUN_ID": message["run_id"],
        "HEADSTART_OUTCOME": "failed",
        "HEADSTART_TEXT": message["text"],
        "HEADSTART_REPORT": message["report"],
        "HEADSTART_SUMMARY": message["summary"],
    }
    assert arguments == ["two words", "$HOME;ls"]


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import sys; print('very-secret'); sys.exit('very-secret')", "ended with exit code 1"),
        ("import time; time.sleep(60)", "did not end within 1 s"),
        (
            "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])",
            "did not end within 1 s",
        ),
        ("import os; os.kill(os.getpid(), 9)", "ended with exit code -9"),
    ],
)
def test_a_command_that_fails_is_one_line_and_what_it_printed_is_not_shown(run, workplace, program, reason):
    code, printed = told_by_command(run, workplace, program)
    assert code == 1
    (line,) = [line.strip() for line in printed.splitlines() if "notified" in line]
    assert line == f"{DEAF}notify.command: {sys.executable} {reason}"
    assert "very-secret" not in printed + logs()


def test_a_command_that_leaves_something_in_the_background_is_not_waited_for(run, workplace):
    program = "import subprocess; subprocess.Popen(['sleep', '3'])"
    code, printed = told_by_command(run, workplace, program)
    assert (code, "notified" in printed) == (1, False)


def test_a_command_that_does_not_exist_or_may_not_be_run_is_named(run, workplace):
    (workplace / "tell.sh").write_text("")
    for command, reason in (
        ("no-such-program --x", "no-such-program cannot be run: No such file or directory"),
        ("./tell.sh", "./tell.sh cannot be run: Permission denied"),
    ):
        code, printed = run(broken(), "--set", f"notify.command={command}", "--set", "notify.url_env=")
        assert (code, f"notify.command: {reason}" in printed) == (1, True)


def test_command_and_address_are_both_told_and_one_does_not_keep_from_the_other(run, webhook):
    code, printed = run(broken(), "--set", "notify.command=sh -c false")
    assert (code, len(webhook.received)) == (1, 1)
    assert "notify.command: sh ended with exit code 1" in printed


# check


def test_check_says_what_is_missing_on_this_machine_and_is_not_against_it(workplace, monkeypatch, capsys):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert main(["check", "photos.yaml", "--set", "notify.command=no-such-program x"]) == 0
    shown = capsys.readouterr().out
    assert f"notify.url_env: {VARIABLE} is not set here" in shown
    assert "notify.command: there is no command no-such-program here" in shown


def test_check_has_nothing_to_say_of_what_is_there(workplace, webhook, capsys):
    assert main(["check", "photos.yaml", "--set", "notify.command=cat -"]) == 0
    assert "note      notify" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("{on: [failed]}", "nobody is told: set notify.command or notify.url_env"),
        ("{url_env: 'https://very-secret/x'}", "url_env must be the name of an environment variable"),
        ("{command: 'echo \"x'}", "command cannot be split into words: No closing quotation"),
        ("{command: ' '}", "command is empty"),
        ("{command: cat, on: [bad]}", "use pushed, unchanged, judged, not_blessed"),
        ("{command: cat, timeout_seconds: 0}", "it must be more than 0"),
    ],
)
def test_a_section_that_cannot_work_is_refused_without_showing_a_secret(tmp_path, section, message):
    (problem,) = problems_of(write_config(tmp_path, f"notify: {section}\n"))
    assert message in problem.message
    assert "very-secret" not in str(problem)


def test_whom_to_tell_is_no_reason_to_train(workplace, capsys):
    finish_a_run(load_config("photos.yaml"))
    for override in ("notify.on=[]", "notify="):
        assert main(["fresh", "photos.yaml", "--set", override]) == 0, override
    assert main(["fresh", "photos.yaml", "--set", "training.seed=9"]) == 5


# In a cluster


@pytest.fixture
def cluster(tmp_path, monkeypatch, webhook):
    """Runs in a cluster end as the test says; a config in the working directory asks to be told of all."""
    prepare_workplace(tmp_path, monkeypatch)
    config = tmp_path / "clothes.yaml"
    config.write_text(f"{config.read_text()}{NOTIFY}\n".replace("/runs/clothes", str(tmp_path / "out")))
    with KfpServer() as server:
        yield server


def submit(server: KfpServer, *arguments: str) -> int:
    return main(["submit", "clothes.yaml", "--host", server.address, *arguments])


def test_the_end_of_a_run_in_a_cluster_is_told_by_whoever_waits_for_it(cluster, webhook):
    cluster.progress = [("FAILED", {"ImageExampleGen": task("SUCCEEDED", 9), "DataCheck": task("FAILED", 9)})]
    assert submit(cluster, "--wait") == 4
    (run_id,) = cluster.runs
    (told,) = webhook.received
    assert (told["outcome"], told["run_id"]) == ("data_refused", run_id)
    assert told["text"].startswith("tiny_clothes: The data was refused after 600 s: DataCheck failed.")
    assert told["text"].endswith(f"/#/runs/details/{run_id}")
    assert submit(cluster, "--follow", run_id) == 4
    assert webhook.received == [told, told]


@pytest.mark.parametrize("verdict", ["pushed", "unchanged"])
def test_where_the_summary_can_be_read_it_tells_how_the_run_ended(cluster, webhook, verdict, monkeypatch):
    cluster.progress = [("SUCCEEDED", {step: task("SUCCEEDED", 9) for step in STEPS})]
    ended = follow.follow

    def publish_and_follow(client, run_id, tell):
        config = load_config("clothes.yaml")
        finish_a_run(config, "images", run_id=run_id, outcome=verdict, pushed_version=7)
        return ended(client, run_id, tell)

    monkeypatch.setattr(follow, "follow", publish_and_follow)
    assert submit(cluster, "--wait", "--set", "notify.on=[pushed, unchanged]") == 0
    (told,) = webhook.received
    assert told["outcome"] == verdict
    assert told["text"].startswith("tiny_clothes: version 7")
    assert told["report"] == os.path.abspath(f"out/reports/{told['run_id']}/report.html")
    assert Path(told["summary"]).exists()


def test_without_a_summary_of_that_run_the_exit_code_tells(cluster, webhook):
    finish_a_run(load_config("clothes.yaml"), "images", outcome="unchanged")  # of another run
    cluster.progress = [("SUCCEEDED", {step: task("SUCCEEDED", 9) for step in STEPS})]
    assert submit(cluster, "--wait") == 0
    (told,) = webhook.received
    assert (told["outcome"], told["text"]) == (
        "pushed",
        "tiny_clothes: The run succeeded after 600 s: the model is blessed and pushed.",
    )


def test_a_cluster_that_cannot_be_asked_is_told_and_a_start_that_nobody_waits_for_is_not(cluster, webhook):
    cluster.answers = {("GET", "/healthz"): (503, "down")}
    assert submit(cluster) == 2
    assert webhook.received == []
    assert submit(cluster, "--wait") == 2
    assert [told["outcome"] for told in webhook.received] == ["failed"]
