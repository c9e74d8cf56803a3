"""Going back to an older version: what serves then, and what later runs make of it."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from components import serving_versions
from components.pusher import history, withdrawals
from components.pusher.push import push
from components.pusher.rollback import RolledBack, rollback
from components.report.publish import publish
from components.report.summary import Summary
from pipeline import freshness
from pipeline.cli import main
from pipeline.config_file import load_config
from tests.finished_runs import finish_a_run, source_fingerprint
from tests.tiny_images import write_class_folders


def write_model(folder: Path, graph: str) -> Path:
    """Writes the files of a model; neither a push nor a rollback reads them."""
    (folder / "variables").mkdir(parents=True, exist_ok=True)
    (folder / "assets.extra").mkdir(exist_ok=True)
    (folder / "saved_model.pb").write_text(graph)
    (folder / "variables/variables.index").write_text(graph)
    (folder / "assets.extra/headstart.json").write_text('{"labels": ["cat", "dog"]}')
    return folder


@pytest.fixture(params=["folder", "address"])
def destination(request, tmp_path):
    """A push destination, local and in an object store."""
    if request.param == "folder":
        return str(tmp_path / "serving")
    return f"{request.getfixturevalue('s3_bucket')}/models/pets"


def push_models(destination: str, folder: Path, *graphs: str) -> None:
    for graph in graphs:
        push(
            write_model(folder / graph, graph),
            destination,
            {"training_statistics.pb": f"statistics of {graph}".encode()},
        )


def graphs(destination: str) -> dict[int, str]:
    """Returns what each version's model is, by its number."""
    return {
        number: (path / "saved_model.pb").read_bytes().decode()
        for number, path in serving_versions.versions(destination).items()
    }


def test_the_version_before_becomes_the_newest_whole_with_its_statistics(destination, tmp_path):
    push_models(destination, tmp_path, "good", "bad")
    before = serving_versions.versions(destination)[1]

    assert rollback(destination) == RolledBack(version=3, copy_of=1, withdrawn=(2,))

    assert graphs(destination) == {1: "good", 2: "bad", 3: "good"}
    path = serving_versions.versions(destination)[3]
    assert serving_versions.version_hash(path) == serving_versions.version_hash(before)
    assert (path / serving_versions.TRAINING_STATISTICS).read_bytes() == b"statistics of good"
    manifest = json.loads((path / serving_versions.MANIFEST).read_bytes())
    assert (manifest["version"], manifest["rolled_back_to"]) == (3, 1)
    assert manifest["rolled_back_from"]["version"] == 2
    assert manifest["labels"] == ["cat", "dog"]


def test_a_second_rollback_goes_further_back_and_not_to_what_was_withdrawn(destination, tmp_path):
    push_models(destination, tmp_path, "oldest", "good", "bad")
    rollback(destination)

    assert rollback(destination) == RolledBack(version=5, copy_of=1, withdrawn=(2, 3))
    assert graphs(destination)[5] == "oldest"


def test_a_withdrawn_model_can_be_called_back_by_its_number(destination, tmp_path):
    push_models(destination, tmp_path, "good", "bad")
    rollback(destination)

    assert rollback(destination, to=2) == RolledBack(version=4, copy_of=2, withdrawn=())
    assert graphs(destination)[4] == "bad"
    assert withdrawals.read(destination) == {}


def test_what_lies_between_is_withdrawn_as_well(destination, tmp_path):
    push_models(destination, tmp_path, "good", "bad", "worse")

    assert rollback(destination, to=1).withdrawn == (2, 3)


def test_withdrawn_models_stay_so_when_a_new_one_is_pushed(destination, tmp_path):
    push_models(destination, tmp_path, "good", "bad")
    rollback(destination)
    push_models(destination, tmp_path, "new")

    assert list(withdrawals.read(destination)) == [2]


@pytest.mark.parametrize(
    ("pushed", "to", "message"),
    [
        ((), None, "nothing was pushed"),
        (("only",), None, "holds no other model before version 1"),
        (("a", "b"), 7, "--to 7: there is no such version .* Use one of 1, 2"),
        (("a", "b"), 2, "version 2 .* is that model already"),
    ],
)
def test_an_impossible_rollback_changes_nothing_and_says_what_is_possible(tmp_path, pushed, to, message):
    destination = str(tmp_path / "serving")
    push_models(destination, tmp_path, *pushed)
    with pytest.raises(ValueError, match=message):
        rollback(destination, to)
    assert graphs(destination) == dict(enumerate(pushed, start=1))


def test_a_version_that_somebody_else_put_there_can_be_gone_back_to(tmp_path):
    destination = tmp_path / "serving"
    write_model(destination / "1", "theirs")
    push_models(str(destination), tmp_path, "ours")

    assert rollback(str(destination)).copy_of == 1
    assert graphs(str(destination))[3] == "theirs"


def test_a_former_state_is_followed_through_rollbacks_only(tmp_path):
    destination = str(tmp_path / "serving")
    push_models(destination, tmp_path, "oldest", "good", "bad")
    state_of_bad = serving_versions.state(destination)
    rollback(destination)
    rollback(destination)
    said = "Version 3 was rolled back: version 5, a copy of version 1, serves now"

    assert history.rolled_back_since(destination, state_of_bad) == said
    assert history.rolled_back_since(destination, "3 of another model") is None
    push_models(destination, tmp_path, "new")
    assert history.rolled_back_since(destination, state_of_bad) is None


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with a config, two pushed versions, and the report of the second's run."""
    monkeypatch.chdir(tmp_path)
    write_class_folders(tmp_path / "photos", ("cat", "dog"), count=10)
    assert main(["init", "photos"]) == 0
    config = load_config("photos.yaml")
    for version, (graph, accuracy) in enumerate({"good": 0.75, "bad": 0.8125}.items(), start=1):
        push_models(config.push.destination, tmp_path / "models", graph)
        finish_a_run(
            config,
            run_id=f"run-{version}",
            accuracy={"value": accuracy, "low": 0.7, "high": 0.9, "n": 40},
            pushed_path=str(Path(config.push.destination) / str(version)),
        )
    return tmp_path


def test_the_command_says_what_serves_and_lists_what_there_is(project, capsys):
    capsys.readouterr()
    assert main(["rollback", "photos.yaml"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Version 3, a copy of version 1, serves now.",
        "Withdrawn, and not to be pushed again: version 2.",
    ]
    assert main(["rollback", "photos.yaml", "--list"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert " ".join(heading.split()) == "version pushed (UTC) accuracy images test set classes run remarks"
    assert main(["versions", "photos.yaml"]) == 0
    assert capsys.readouterr().out.splitlines() == [heading, *rows]
    shown = [re.split(r"\s{2,}", row.strip()) for row in rows[:3]]
    assert [(row[0], row[2], *row[6:]) for row in shown] == [
        ("3", "75.0%", "-", "serves now; a copy of version 1"),
        ("2", "81.2%", "run-2", "rolled back: will not be pushed again"),
        ("1", "75.0%", "run-1"),
    ]


def test_the_command_refuses_without_a_traceback(project, capsys):
    assert main(["rollback", "photos.yaml", "--to", "9"]) == 2
    assert "--to 9: there is no such version" in capsys.readouterr().err


def test_a_rollback_is_no_reason_to_train_the_same_model_again(project):
    config = load_config("photos.yaml")
    rollback(config.push.destination)
    found = freshness.look(config, source_fingerprint(config))
    assert found.is_fresh
    assert str(found).endswith("Version 2 was rolled back: version 3, a copy of version 1, serves now.")
    other = dataclasses.replace(config, training=dataclasses.replace(config.training, seed=1))
    assert freshness.look(other, source_fingerprint(config)).changes == ("the config changed",)


def test_when_the_newest_version_lost_its_model_the_one_before_it_serves_again(destination, tmp_path):
    push_models(destination, tmp_path, "older", "good", "lost")
    (serving_versions.versions(destination)[3] / "saved_model.pb").unlink()

    assert rollback(destination) == RolledBack(version=4, copy_of=2, withdrawn=())
    assert (serving_versions.versions(destination)[4] / "saved_model.pb").read_text() == "good"


def test_a_damaged_version_is_never_made_to_serve_again(destination, tmp_path):
    push_models(destination, tmp_path, "damaged", "bad")
    (serving_versions.versions(destination)[1] / "variables/variables.index").write_text("other bytes")

    with pytest.raises(ValueError, match="1 cannot be used: "):
        rollback(destination)
    assert list(serving_versions.versions(destination)) == [1, 2]


@pytest.mark.parametrize("damaged", ['{"written": "2026-', "[]", '{"format": 2}', '{"written": "yesterday"}'])
def test_a_damaged_summary_counts_as_none(tmp_path, damaged):
    (tmp_path / "summary.json").write_text(damaged)
    assert freshness.read_summary(str(tmp_path)) is None


@pytest.mark.parametrize("outcome", ["data_refused", "failed"])
def test_versions_are_listed_beside_runs_that_made_no_model(project, capsys, outcome):
    config = load_config("photos.yaml")
    publish("page", Summary("run-3", outcome).as_json(), config.output, "run-3")
    assert main(["rollback", "photos.yaml", "--list"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:3]
    assert [re.split(r"\s{2,}", row.strip())[2] for row in rows] == ["81.2%", "75.0%"]
