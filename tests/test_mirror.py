"""A local copy of what was pushed: whole versions only, the newest ones, and for as long as it is asked."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components import serving_versions
from components.pusher import mirror as mirroring
from components.pusher.mirror import mirror
from components.pusher.push import push
from components.report.mirror import mirror_reports
from components.report.publish import publish
from modules.storage import location
from pipeline.cli import main
from tests.child_process import start

ROOT = Path(__file__).parent.parent


@pytest.fixture(params=["folder", "address"])
def source(request, tmp_path):
    """A push destination, local and in an object store."""
    if request.param == "folder":
        return str(tmp_path / "serving")
    return f"{request.getfixturevalue('s3_bucket')}/models/pets"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "beside the server"


def push_models(destination: str, tmp_path: Path, *graphs: str) -> None:
    for graph in graphs:
        model = tmp_path / "models" / graph
        (model / "variables").mkdir(parents=True)
        (model / "saved_model.pb").write_text(graph)
        (model / "variables/variables.index").write_text(graph * 1000)
        push(model, destination, b"")


def graphs(folder: Path) -> dict[str, str]:
    """Returns everything a model server sees in a folder: names, and what their models are."""
    return {path.name: (path / "saved_model.pb").read_text() for path in folder.iterdir()}


def test_the_newest_versions_are_copied_whole_and_readable_for_everyone(source, folder, tmp_path):
    push_models(source, tmp_path, "a", "b", "c")

    lines = list(mirror(source, folder, keep=2))

    assert lines == [f"Copied version 3 to {folder}/3", f"Copied version 2 to {folder}/2"]
    assert graphs(folder) == {"2": "b", "3": "c"}
    newest = serving_versions.versions(source)[3]
    assert serving_versions.content_hash(folder / "3") == serving_versions.version_hash(newest)
    modes = {os.stat(path).st_mode & 0o777 for path in (folder / "3", folder / "3/saved_model.pb")}
    assert modes == {0o755, 0o644}


def test_a_new_version_displaces_the_oldest_and_nothing_is_copied_twice(source, folder, tmp_path):
    push_models(source, tmp_path, "a", "b")
    list(mirror(source, folder, keep=2))
    assert list(mirror(source, folder, keep=2)) == []

    push_models(source, tmp_path, "c")

    assert list(mirror(source, folder, keep=2)) == [f"Copied version 3 to {folder}/3", "Removed version 1"]
    assert graphs(folder) == {"2": "b", "3": "c"}


def test_an_emptied_source_leaves_the_server_its_model(source, folder, tmp_path):
    assert list(mirror(source, folder, keep=2)) == []
    push_models(source, tmp_path, "a")
    list(mirror(source, folder, keep=2))
    location(source).fs.rm(location(source).path, recursive=True) if "://" in source else shutil.rmtree(
        source
    )

    assert list(mirror(source, folder, keep=2)) == []
    assert graphs(folder) == {"1": "a"}


def test_a_source_that_began_anew_replaces_a_version_of_the_same_number(folder, tmp_path):
    push_models(str(tmp_path / "old"), tmp_path, "old")
    push_models(str(tmp_path / "new"), tmp_path, "new")
    list(mirror(str(tmp_path / "old"), folder, keep=2))

    list(mirror(str(tmp_path / "new"), folder, keep=2))

    assert graphs(folder) == {"1": "new"}


def test_a_damaged_version_is_left_out_and_the_one_before_it_copied(source, folder, tmp_path):
    push_models(source, tmp_path, "a", "b")
    (location(source) / "2" / "variables" / "variables.index").write_bytes(b"cut sho")

    lines = list(mirror(source, folder, keep=2))

    assert lines[0].startswith("Left out version 2: its files are not those")
    assert graphs(folder) == {"1": "a"}


def test_a_version_that_is_still_being_pushed_is_none(s3_bucket, folder, tmp_path):
    source = f"{s3_bucket}/models"
    push_models(source, tmp_path, "a")
    (location(source) / "2" / "saved_model.pb").write_bytes(b"b")

    list(mirror(source, folder, keep=1))

    assert graphs(folder) == {"1": "a"}


def test_a_copy_that_fails_leaves_nothing_behind(folder, tmp_path, monkeypatch):
    source = str(tmp_path / "serving")
    push_models(source, tmp_path, "a")
    (folder / ".copying-7").mkdir(parents=True)  # of a mirror that was killed

    def fail(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(mirroring, "make_readable_and_durable", fail)
    with pytest.raises(OSError, match="no space"):
        list(mirror(source, folder, keep=2))
    assert list(folder.iterdir()) == []


def test_reports_are_copied_with_those_of_earlier_runs(s3_bucket, tmp_path):
    output, folder = f"{s3_bucket}/runs/pets", tmp_path / "site"
    assert list(mirror_reports(output, folder)) == []
    publish("first", '{"run": 1}', output, "run-1")
    publish("second", '{"run": 2}', output, "run-2")

    assert list(mirror_reports(output, folder)) == [
        "Copied the report of run-1",
        "Copied the report of run-2",
    ]
    assert (folder / "report.html").read_text() == "second"
    assert (folder / "reports/run-1/report.html").read_text() == "first"
    publish("third", '{"run": 3}', output, "run-3")
    assert list(mirror_reports(output, folder)) == ["Copied the report of run-3"]
    assert (folder / "report.html").read_text() == "third"
    assert list(mirror_reports(output, folder)) == []


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
        ([], "no model was pushed to nowhere yet"),
        (["--reports"], "no run has published a report in nowhere yet"),
    ],
)
def test_a_source_with_nothing_in_it_is_not_told_as_one_that_is_copied(
    tmp_path, monkeypatch, capsys, option, message
):
    monkeypatch.chdir(tmp_path)
    assert main(["mirror", "nowhere", "here", *option]) == 0
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
    source.write_text("in the way")  # not a folder yet: nothing to copy
    command = [sys.executable, "-m", "pipeline.cli", "mirror", str(source), str(folder), "--every", "1"]
    with start(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        time.sleep(1)
        source.unlink()
        push_models(str(source), tmp_path, "a")
        assert process.stdout.readline() == f"Copied version 1 to {folder}/1\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert graphs(folder) == {"1": "a"}
