"""`headstart versions` and `check` say what lies in a push destination, and what each version is."""

import re
import shutil
from itertools import zip_longest

import pytest

from components import serving_versions
from components.pusher.push import push
from components.pusher.rollback import rollback
from components.pusher.strangers import strangers
from modules.storage import location
from pipeline.cli import main
from pipeline.config_file import load_config
from tests.finished_runs import finish_a_run
from tests.tiny_images import write_class_folders
from tests.tiny_push import write_model


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_class_folders(tmp_path / "photos", ("cat", "dog"), count=10)
    assert main(["init", "photos"]) == 0
    return load_config("photos.yaml")


def push_version(config, tmp_path, graph, **facts):
    return push(
        write_model(tmp_path / "models" / graph, graph.encode()), config.push.destination, facts=facts
    )


def table(capsys):
    """Returns the rows of `headstart versions`, by version, and the lines below them."""
    capsys.readouterr()
    assert main(["versions", "photos.yaml"]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    columns = re.split(r"\s{2,}", heading.strip())
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines if line.lstrip()[:1].isdigit()]
    return {int(row[0]): dict(zip_longest(columns, row, fillvalue="")) for row in rows}, lines[len(rows) :]


def test_each_version_has_its_date_accuracy_test_set_run_and_state(config, tmp_path, capsys):
    accuracy = {"value": 0.75, "low": 0.6, "high": 0.8, "n": 1040}
    push_version(
        config, tmp_path, "good", accuracy=accuracy, test_set="a1b2c3d4e5f6", run_id="r1", because="boots"
    )
    push_version(config, tmp_path, "bad", accuracy=accuracy | {"value": 0.8125}, test_set="ffff", run_id="r2")
    rollback(config.push.destination)

    rows, others = table(capsys)

    shown = ("accuracy", "images", "test set", "classes", "run", "remarks")
    assert {number: [row[name] for name in shown] for number, row in rows.items()} == {
        1: ["75.0%", "1,040", "a1b2c3d4", "2", "r1", "because: boots"],
        2: ["81.2%", "1,040", "ffff", "2", "r2", "rolled back: will not be pushed again"],
        3: ["75.0%", "1,040", "a1b2c3d4", "2", "r1", "serves now; a copy of version 1; because: boots"],
    }
    pushed = serving_versions.read_manifest(location(config.push.destination) / "3")["pushed_at"]
    assert rows[3]["pushed (UTC)"] == pushed[:16].replace("T", " ")
    assert others == []


def test_the_accuracy_of_a_version_of_before_is_that_of_the_report_of_its_run(config, tmp_path, capsys):
    pushed = push_version(config, tmp_path, "good")
    found = {"value": 0.7, "low": 0.6, "high": 0.8, "n": 30}
    finish_a_run(config, run_id="run-9", accuracy=found, pushed_path=str(pushed.path))

    rows, others = table(capsys)

    shown = ("accuracy", "images", "test set", "run", "remarks")
    assert [rows[1][name] for name in shown] == ["70.0%", "30", "-", "run-9", "serves now"]
    assert others == [f"Reports: {config.output}/reports/RUN/report.html"]


def test_a_withdrawn_version_that_was_removed_is_still_told(config, tmp_path, capsys):
    for graph in ("good", "bad"):
        push_version(config, tmp_path, graph)
    rollback(config.push.destination)
    shutil.rmtree(location(config.push.destination) / "2")

    rows, others = table(capsys)

    assert list(rows) == [3, 1]
    assert others == ["Rolled back, and removed since: version 2."]


@pytest.mark.parametrize("place", ["folder", "address"])
def test_what_no_push_left_in_a_destination_is_named(request, tmp_path, place):
    remote = place == "address"
    destination = f"{request.getfixturevalue('s3_bucket')}/models" if remote else str(tmp_path / "serving")
    push(write_model(tmp_path / "model"), destination)
    root = location(destination)
    if not remote:
        (root / "7").mkdir()
        (root / "8").mkdir()
        (root / "notes").mkdir()
    (root / "8" / "saved_model.pb").write_bytes(b"theirs")
    (root / "notes" / "readme.txt").write_bytes(b"x")
    (root / "13").write_bytes(b"x")

    found = strangers(destination)

    assert [line.partition(" ")[0] for line in found] == [
        *(["'7'"] if not remote else []),
        "'8'",
        "'13'",
        "'notes'",
    ]
    assert [line.partition(" ")[2] for line in found][-2:] == ["is a file", "is not a version"]


def test_check_names_foreign_folders_and_a_run_goes_on(config, tmp_path, capsys):
    (location(config.push.destination) / "99").mkdir(parents=True)
    capsys.readouterr()
    assert main(["check", "photos.yaml"]) == 0
    assert "push.destination: '99' holds no model, and a model server" in capsys.readouterr().out


def test_check_refuses_the_destination_of_another_pipeline(config, tmp_path, capsys):
    push_version(config, tmp_path, "theirs", name="boots")
    assert main(["check", "photos.yaml"]) == 2
    shown = capsys.readouterr().err
    assert "push.destination: version 1 in " in shown
    assert "was pushed by the pipeline 'boots', and this one is 'photos'" in shown
    assert main(["check", "photos.yaml", "--set", "name=boots"]) == 0


def test_versions_of_an_empty_destination_and_a_wrong_config(config, capsys):
    capsys.readouterr()
    assert main(["versions", "photos.yaml"]) == 0
    assert capsys.readouterr().out == f"There is no version in {config.push.destination} yet.\n"
    assert main(["versions", "absent.yaml"]) == 2
    assert "Traceback" not in capsys.readouterr().err
