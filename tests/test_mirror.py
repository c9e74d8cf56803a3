"""A local copy of what was pushed: whole versions only, the newest ones, and for as long as it is asked."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components import serving_versions
from components.pusher import fetch
from components.pusher.mirror import Mirror
from components.report.mirror import mirror_reports
from components.report.publish import publish, publish_summary
from components.report.summary import Summary
from modules.storage import location
from pipeline.cli import main
from tests.child_process import start
from tests.pushed_models import destination, graphs, push_models

ROOT = Path(__file__).parent.parent


@pytest.fixture(params=["folder", "address"])
def source(request, tmp_path):
    return destination(request, tmp_path)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "beside the server"


def mirror(source: str, folder: Path, keep: int) -> list[str]:
    """Looks once, as a process that was just started; returns the lines that it said."""
    lines: list[str] = []
    Mirror(source, folder, keep, lines.append).look()
    return lines


def reports(output: str, folder: Path) -> list[str]:
    lines: list[str] = []
    mirror_reports(output, folder, lines.append)
    return lines


def test_the_newest_versions_are_copied_whole_and_readable_for_everyone(source, folder, tmp_path):
    push_models(source, tmp_path, "a", "b", "c")

    lines = mirror(source, folder, keep=2)

    assert lines == [f"Copied version 3 to {folder}/3", f"Copied version 2 to {folder}/2"]
    assert graphs(folder) == {"2": "b", "3": "c"}
    newest = serving_versions.versions(source)[3]
    assert serving_versions.content_hash(folder / "3") == serving_versions.version_hash(newest)
    modes = {os.stat(path).st_mode & 0o777 for path in (folder / "3", folder / "3/saved_model.pb")}
    assert modes == {0o755, 0o644}


def test_a_new_version_displaces_the_oldest_and_nothing_is_copied_twice(source, folder, tmp_path):
    push_models(source, tmp_path, "a", "b")
    mirror(source, folder, keep=2)
    assert mirror(source, folder, keep=2) == []

    push_models(source, tmp_path, "c")

    assert mirror(source, folder, keep=2) == [
        f"Copied version 3 to {folder}/3",
        "Removed version 1",
    ]
    assert graphs(folder) == {"2": "b", "3": "c"}


def test_an_emptied_source_leaves_the_server_its_model(source, folder, tmp_path):
    if "://" not in source:
        Path(source).mkdir()
    assert mirror(source, folder, keep=2) == []
    push_models(source, tmp_path, "a")
    mirror(source, folder, keep=2)
    if "://" in source:
        location(source).fs.rm(location(source).path, recursive=True)
    else:
        shutil.rmtree(f"{source}/1")

    assert mirror(source, folder, keep=2) == []
    assert graphs(folder) == {"1": "a"}


def test_a_source_that_began_anew_replaces_a_version_of_the_same_number(folder, tmp_path):
    source = str(tmp_path / "serving")
    push_models(source, tmp_path, "old")
    mirror(source, folder, keep=2)
    shutil.rmtree(source)
    push_models(source, tmp_path, "new")

    lines = mirror(source, folder, keep=2)

    assert lines == [f"Copied version 1 to {folder}/1 anew: another model has that number in {source} now"]
    assert graphs(folder) == {"1": "new"}


def test_a_damaged_version_is_left_out_and_the_one_before_it_copied(source, folder, tmp_path):
    push_models(source, tmp_path, "a", "b")
    (location(source) / "2" / "variables" / "variables.index").write_bytes(b"cut sho")

    lines = mirror(source, folder, keep=2)

    assert lines[0].startswith("Left out version 2: its files are not those")
    assert graphs(folder) == {"1": "a"}


def test_a_version_that_is_still_being_pushed_is_none(s3_bucket, folder, tmp_path):
    source = f"{s3_bucket}/models"
    push_models(source, tmp_path, "a")
    (location(source) / "2" / "saved_model.pb").write_bytes(b"b")

    mirror(source, folder, keep=1)

    assert graphs(folder) == {"1": "a"}


def test_a_copy_that_fails_leaves_nothing_behind(folder, tmp_path, monkeypatch):
    source = str(tmp_path / "serving")
    push_models(source, tmp_path, "a")
    (folder / ".copying-7").mkdir(parents=True)  # of a mirror that was killed

    def fail(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(fetch, "make_readable_and_durable", fail)
    with pytest.raises(OSError, match="no space"):
        mirror(source, folder, keep=2)
    assert list(folder.iterdir()) == []


def test_reports_are_copied_with_those_of_earlier_runs(s3_bucket, tmp_path):
    output, folder = f"{s3_bucket}/runs/pets", tmp_path / "site"
    assert reports(output, folder) == []
    publish("first", '{"run": 1}', output, "run-1")
    publish("second", '{"run": 2}', output, "run-2")

    assert reports(output, folder) == [
        "Copied the report of run-1",
        "Copied the report of run-2",
        f"{folder}/report.html is the newest report now",
    ]
    assert (folder / "report.html").read_text() == "second"
    assert (folder / "reports/run-1/report.html").read_text() == "first"
    publish("third", '{"run": 3}', output, "run-3")
    assert reports(output, folder) == [
        "Copied the report of run-3",
        f"{folder}/report.html is the newest report now",
    ]
    assert (folder / "report.html").read_text() == "third"
    assert reports(output, folder) == []


def test_reports_of_refused_and_failed_runs_are_copied_as_well(tmp_path, folder):
    output = str(tmp_path / "runs")
    for number, outcome in enumerate(("pushed", "data_refused", "failed")):
        publish(outcome, Summary(f"run-{number}", outcome).as_json(), output, f"run-{number}")
    assert [line.rpartition(" ")[2] for line in reports(output, folder)[:3]] == ["run-0", "run-1", "run-2"]
    assert (folder / "reports/run-1/report.html").read_text() == "data_refused"
    assert (folder / "report.html").read_text() == "failed"


def test_a_summary_that_a_run_completes_after_its_report_was_copied_is_copied_again(tmp_path, folder):
    output = str(tmp_path / "runs")
    published = Summary("run-1", "pushed")
    publish("page", published.as_json(), output, "run-1")
    reports(output, folder)
    completed = dataclasses.replace(published, step_seconds={"Trainer": 60.0}).as_json()
    publish_summary(completed, output, "run-1")
    reports(output, folder)
    for name in ("summary.json", "reports/run-1/summary.json"):
        assert (folder / name).read_text() == completed
    assert reports(output, folder) == []


def test_the_command_looks_once_unless_it_is_told_how_often(tmp_path, folder, capsys):
    push_models(str(tmp_path / "serving"), tmp_path, "a")
    assert main(["mirror", str(tmp_path / "serving"), str(folder)]) == 0
    assert main(["mirror", str(tmp_path / "serving"), str(folder), "--once"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"Copied version 1 to {folder}/1",
        f"Nothing to copy: {folder} has all that there is in {tmp_path / 'serving'}.",
    ]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ([], "no model was pushed to empty yet"),
        (["--reports"], "no run has published a report in empty yet"),
    ],
)
def test_a_source_with_nothing_in_it_is_not_told_as_one_that_is_copied(
    tmp_path, monkeypatch, capsys, option, message
):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    assert main(["mirror", "empty", "here", *option]) == 0
    assert capsys.readouterr().out == f"Nothing to copy: {message}.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ftp://host/models", "here"], "unknown kind of address ftp://"),
        (["models", "here", "--once", "--every", "5"], "contradict each other"),
    ],
)
def test_a_mistake_ends_the_command_with_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(["mirror", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_it_goes_on_through_failures_until_sigterm_and_ends_with_0(tmp_path, folder):
    source = tmp_path / "serving"
    source.write_text("in the way")  # not a folder yet: an error that the next look may find gone
    command = [
        sys.executable,
        "-m",
        "pipeline.cli",
        "mirror",
        str(source),
        str(folder),
        "--every",
        "1",
    ]
    with start(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        time.sleep(1)
        source.unlink()
        push_models(str(source), tmp_path, "a")
        assert process.stdout.readline() == f"Copied version 1 to {folder}/1\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert graphs(folder) == {"1": "a"}
