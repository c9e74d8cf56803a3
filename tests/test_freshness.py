"""What counts as a reason for a new run, and how it is said."""

import dataclasses
import json
from pathlib import Path

import pytest

from components.evaluator.thresholds import parse_thresholds
from components.report import made_from
from modules.recipe import Model, Training
from modules.storage import location
from pipeline import freshness
from pipeline.cli import main
from pipeline.config import Config, Data
from pipeline.config_file import complete, load_config
from pipeline.kubeflow.paths import config_in_container
from pipeline.recipes import load_stages
from pipeline.settings_json import as_dict, as_json
from tests.finished_runs import finish_a_run, refuse_the_data
from tests.tiny_images import write_class_folders

ROOT = Path(__file__).parent.parent
SINCE = "the run of 2026-11-20 14:03 UTC"


def make_config(output: str, weights: str = "none") -> Config:
    return complete(
        Config(
            name="photos",
            output=output,
            data=Data(source="/photos"),
            model=Model(weights=weights),
            training=Training(recipe=load_stages("fine_tuning")),
        )
    )


@pytest.fixture
def config(tmp_path):
    """A config whose weights lie in a file."""
    weights = tmp_path / "own.weights.h5"
    weights.write_bytes(b"1")
    return make_config(str(tmp_path / "out"), str(weights))


def serve(config: Config, version: int, graph: bytes, **manifest) -> None:
    """Puts a version into the push destination, as if it had been pushed."""
    folder = location(config.push.destination) / str(version)
    records = folder / "assets.extra" / "headstart"
    records.mkdir(parents=True, exist_ok=True)
    (folder / "saved_model.pb").write_bytes(graph)
    (records / "manifest.json").write_bytes(json.dumps({"version": version, **manifest}).encode())


def test_without_a_finished_run_there_is_reason_for_one(config):
    found = freshness.look(config, "images")
    assert not found.is_fresh
    assert str(found) == "Stale: no run has finished yet."


def test_nothing_is_new_after_a_run_of_the_same(config):
    finish_a_run(config, "images")
    found = freshness.look(config, "images")
    assert found.is_fresh
    assert str(found) == f"Fresh: nothing has changed since {SINCE}."


def test_a_refused_model_is_no_reason_to_train_it_again(config):
    finish_a_run(config, "images", blessed=False)
    found = freshness.look(config, "images")
    assert found.is_fresh
    assert str(found).endswith("Its model was not blessed.")


def test_refused_data_are_no_reason_to_look_at_them_again_until_something_changes(config):
    refuse_the_data(config, "images")
    found = freshness.look(config, "images")
    assert found.is_fresh
    assert str(found) == f"Fresh: nothing has changed since {SINCE}. Its data was refused."
    serve(config, 3, b"new")
    assert freshness.look(config, "images").changes == ("the serving model changed (none -> 3)",)
    assert freshness.look(config, "others").changes[0] == "the images changed"


@pytest.mark.parametrize(
    ("outcome", "why"), [("failed", "it failed"), ("judged", "its model was judged, but not pushed")]
)
def test_a_run_without_a_result_is_a_reason_for_the_next_one(config, outcome, why):
    finish_a_run(config, "images", outcome=outcome)
    found = freshness.look(config, "images")
    assert not found.is_fresh
    assert str(found) == f"Stale since {SINCE}: {why}."


def test_every_part_that_changed_is_named(config, monkeypatch):
    serve(config, 3, b"old")
    finish_a_run(config, "images")
    Path(config.model.weights).write_bytes(b"22")
    serve(config, 4, b"new")
    monkeypatch.setattr(freshness, "code_hash", lambda: "edited")
    versions = made_from.package_versions()
    monkeypatch.setattr(made_from, "package_versions", lambda: versions | {"keras": "99.0"})
    other_seed = dataclasses.replace(config, training=dataclasses.replace(config.training, seed=1))

    found = freshness.look(other_seed, "more images")

    assert not found.is_fresh
    assert str(found) == (
        f"Stale since {SINCE}: the config changed; the images changed; the code changed; the file of "
        f"model.weights changed; keras changed ({versions['keras']} -> 99.0); "
        "the serving model changed (3 -> 4)."
    )


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (None, (1, b"a"), "none -> 1"),
        ((1, b"a"), (1, b"b"), "version 1 is another model now"),
    ],
)
def test_a_serving_model_that_somebody_else_put_there_is_a_reason(config, before, after, said):
    if before:
        serve(config, *before)
    finish_a_run(config, "images")
    serve(config, *after)
    assert freshness.look(config, "images").changes == (f"the serving model changed ({said})",)


def test_where_a_run_works_and_writes_is_no_reason(config):
    finish_a_run(config, "images")
    moved = dataclasses.replace(config, data=Data(source="s3://bucket/photos"))
    assert freshness.look(moved, "images").is_fresh


def test_a_config_is_the_same_after_it_went_through_a_cluster():
    """The Report in a container gets paths of the image, as JSON, and thresholds that were a parameter."""
    here = load_config(ROOT / "pipeline/configs/quickstart.yaml")
    there = json.loads(as_json(config_in_container(here)))
    assert there["model"]["weights"].startswith("/headstart/")
    there["evaluation"]["thresholds"] = parse_thresholds(json.dumps(there["evaluation"]["thresholds"]))
    assert made_from.config_hash(there) == made_from.config_hash(as_dict(here))


def test_a_summary_of_an_older_release_is_a_reason(config, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/summary.json").write_text('{"blessed": true}')
    assert str(freshness.look(config, "images")).startswith("Stale since the last run: ")


def test_output_and_serving_models_may_lie_in_an_object_store(s3_bucket):
    config = make_config(f"{s3_bucket}/runs/photos")
    assert not freshness.look(config, "images").is_fresh
    serve(config, 1, b"a", content_hash="a1")
    finish_a_run(config, "images")
    assert freshness.look(config, "images").is_fresh
    serve(config, 2, b"b", content_hash="b2")
    assert freshness.look(config, "images").changes == ("the serving model changed (1 -> 2)",)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with images and their config."""
    monkeypatch.chdir(tmp_path)
    write_class_folders(tmp_path / "photos", ("cat", "dog", "emu", "fox"), count=10)
    assert main(["init", "photos"]) == 0
    return tmp_path


@pytest.mark.parametrize(
    ("outcome", "exit_code"),
    [
        ("pushed", 0),
        ("unchanged", 0),
        ("not_blessed", 3),
        ("withdrawn", 3),
        ("data_refused", 4),
        ("failed", 5),
    ],
)
def test_the_command_ends_as_the_last_run_did_while_nothing_has_changed(project, outcome, exit_code):
    finish_a_run(load_config("photos.yaml"), outcome=outcome)
    assert main(["fresh", "photos.yaml"]) == exit_code
    assert main(["fresh", "photos.yaml", "--set", "training.seed=7"]) == 5


def test_the_command_answers_with_its_exit_code(project, capsys):
    assert main(["fresh", "photos.yaml"]) == 5
    finish_a_run(load_config("photos.yaml"))
    assert main(["fresh", "photos.yaml"]) == 0
    assert main(["fresh", "photos.yaml", "--set", "training.seed=7"]) == 5
    next((project / "photos/cat").iterdir()).unlink()
    assert main(["fresh", "photos.yaml"]) == 5
    lines = capsys.readouterr().out.splitlines()[-4:]
    assert lines == [
        "Stale: no run has finished yet.",
        f"Fresh: nothing has changed since {SINCE}.",
        f"Stale since {SINCE}: the config changed.",
        f"Stale since {SINCE}: the images changed.",
    ]


@pytest.mark.parametrize("key", ["data.source=nowhere", "training.batch_size=many", "output=ftp://host/a"])
def test_what_is_wrong_with_the_config_ends_the_command_with_2(project, capsys, key):
    assert main(["fresh", "photos.yaml", "--set", key]) == 2
    assert "Traceback" not in capsys.readouterr().err
