"""The baseline is the newest model in the push destination that the candidate can be compared with."""

import json
import os
import shutil
import tempfile

import pytest
import tensorflow as tf
from tfx.types import Channel, standard_artifacts

from components import artifacts, serving_versions
from components.baseline import executor as baseline
from components.baseline.choice import choose_baseline
from components.baseline.component import Baseline
from components.baseline.graph import read_saved_model, signatures
from components.pusher.push import push
from components.pusher.rollback import rollback
from tests import tiny_data, tiny_models
from tests.permissions import bound_by_permissions


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of three models of the same classes and two of others."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "first": tiny_models.save_model(folder / "first", weight=0.5),
        "second": tiny_models.save_model(folder / "second", weight=0.6),
        "candidate": tiny_models.save_model(folder / "candidate" / "Format-Serving", weight=0.7),
        "other_classes": tiny_models.save_model(folder / "other", labels=("dark", "dim")),
        "no_shared_class": tiny_models.save_model(folder / "cats", labels=("cat", "dog")),
    }


@pytest.fixture(params=["local folder", "object store"])
def destination(request, tmp_path):
    if request.param == "local folder":
        return tmp_path / "serving"
    return f"{request.getfixturevalue('s3_bucket')}/serving"


def choice(models, destination) -> tuple[int | None, str]:
    chosen, folder = choose_baseline(models["candidate"], destination)
    assert (folder is None) == (chosen.version is None)
    return chosen.version, chosen.reason


def test_without_a_serving_model_there_is_no_baseline(models, destination):
    assert choice(models, destination) == (
        None,
        f"no model serves from {destination} yet",
    )


def test_the_newest_version_is_the_baseline(models, destination):
    push(models["first"], destination)
    push(models["second"], destination)

    assert choice(models, destination) == (2, "it serves")


def test_a_candidate_that_serves_already_is_compared_with_the_version_before(models, destination):
    push(models["first"], destination)
    push(models["candidate"], destination)

    assert choice(models, destination) == (
        1,
        "it is the newest comparable one; version 2 is the candidate itself",
    )


def test_a_candidate_that_alone_serves_has_no_baseline(models, destination):
    push(models["candidate"], destination)

    assert choice(models, destination) == (
        None,
        "version 1 is the candidate itself",
    )


def test_a_version_with_some_of_the_classes_is_compared_with_and_the_others_are_named(models, destination):
    push(models["first"], destination)
    push(models["other_classes"], destination)

    assert choice(models, destination) == (
        2,
        "it serves; it knows other classes: it lacks 'bright' and also has 'dim'",
    )


def test_a_version_that_shares_no_class_is_passed_over(models, destination):
    push(models["first"], destination)
    push(models["no_shared_class"], destination)

    assert choice(models, destination) == (
        1,
        "it is the newest comparable one; "
        "version 2 shares no class with the candidate: it knows 'cat', 'dog'",
    )


def test_of_many_versions_that_are_passed_over_the_newest_are_named(models, tmp_path):
    destination = tmp_path / "serving"
    push(models["first"], destination)
    for number in range(2, 9):
        (destination / str(number)).mkdir()

    assert choice(models, destination) == (
        1,
        "it is the newest comparable one; version 8 holds no SavedModel; version 7 holds no SavedModel; "
        "version 6 holds no SavedModel; and 4 older ones were passed over",
    )


def test_a_version_that_was_rolled_back_is_passed_over(models, tmp_path):
    destination = str(tmp_path / "serving")
    push(models["first"], destination)
    push(models["second"], destination)
    rollback(destination)
    (tmp_path / "serving/3/saved_model.pb").unlink()  # what serves since cannot be compared with

    version, reason = choice(models, destination)

    assert version == 1
    assert "version 2 was rolled back" in reason


def test_a_version_that_is_older_than_what_serves_does_not_count_as_serving(models, destination):
    push(models["first"], destination)
    push(models["candidate"], destination)

    chosen, _ = choose_baseline(models["candidate"], destination)

    assert (chosen.version, chosen.serves, chosen.candidate_version) == (1, False, 2)


def test_versions_that_cannot_be_evaluated_are_passed_over(models, tmp_path):
    destination = tmp_path / "serving"
    nameless = push(models["first"], destination).path
    (nameless / "assets.extra" / "headstart.json").unlink()
    (destination / "2").mkdir()
    without_signature = destination / "3"
    tf.saved_model.save(tf.Module(), str(without_signature))

    assert choice(models, destination) == (
        None,
        "version 3 has no signature serving_default; version 2 holds no SavedModel; "
        "version 1 does not say which classes it knows",
    )


def test_signatures_are_read_without_loading_the_model(models):
    assert {"serving_default", "serve_images"} <= signatures(read_saved_model(models["first"]))


def push_edited(models, folder, destination, edit) -> None:
    """Pushes a model after a change of its graph, as another TensorFlow would have written it."""
    shutil.copytree(models["second"], folder)
    saved_model = read_saved_model(folder)
    for meta_graph in saved_model.meta_graphs:
        meta_graph.meta_info_def.tensorflow_version = "99.1.0"
        meta_graph.graph_def.versions.producer = 999_999
        nodes = [node for function in meta_graph.graph_def.library.function for node in function.node_def]
        edit(meta_graph, [node for node in nodes if node.op == "Mean"])
    (folder / "saved_model.pb").write_bytes(saved_model.SerializeToString())
    push(folder, destination)


def newer_operation(_meta_graph, nodes):
    for node in nodes:
        node.op = "MeanOfTheFuture"


def newer_setting(_meta_graph, nodes):
    for node in nodes:
        node.attr["rounding"].s = b"exact"


def newer_graphs(meta_graph, _nodes):
    meta_graph.graph_def.versions.min_consumer = 999_999


@pytest.mark.parametrize(
    ("edit", "needs"),
    [
        (newer_operation, "MeanOfTheFuture"),
        (newer_setting, "Mean with rounding"),
        (newer_graphs, "graphs of version 999999"),
    ],
)
def test_a_model_that_this_tensorflow_cannot_run_is_passed_over(models, tmp_path, destination, edit, needs):
    push(models["first"], destination)
    push_edited(models, tmp_path / "model", destination, edit)

    assert choice(models, destination) == (
        1,
        "it is the newest comparable one; version 2 was saved by TensorFlow 99.1.0 and needs what "
        f"TensorFlow {tf.__version__}, which runs here, does not know: {needs}",
    )


def test_a_model_of_a_newer_tensorflow_that_needs_nothing_new_is_the_baseline(models, tmp_path, destination):
    push_edited(models, tmp_path / "model", destination, lambda meta_graph, nodes: None)

    assert choice(models, destination) == (1, "it serves")


def test_a_candidate_without_class_names_is_an_error(models, tmp_path, destination):
    nameless = tmp_path / "nameless"
    shutil.copytree(models["first"], nameless, ignore=shutil.ignore_patterns("assets.extra"))

    with pytest.raises(ValueError, match=r"has no class names in assets\.extra/headstart\.json"):
        choose_baseline(nameless, destination)


def run_step(tmp_path, models, destination) -> dict:
    """Runs the Baseline as the pipeline does; returns baseline.json."""
    model = standard_artifacts.Model()
    model.uri = str(models["candidate"].parent)
    output = tiny_data.new_artifact(artifacts.BaselineModel, tmp_path / "baseline_model")
    properties = {"push_destination": str(destination)}
    baseline.Executor().Do({"model": [model]}, {"baseline_model": [output]}, properties)
    return json.loads((tmp_path / "baseline_model" / "baseline.json").read_text())


def test_the_step_copies_the_serving_model_so_that_it_can_be_loaded(tmp_path, models, destination):
    push(models["second"], destination)

    assert run_step(tmp_path, models, destination) == {
        "version": 1,
        "reason": "it serves",
        "serves": True,
        "candidate_version": None,
    }

    loaded = tf.saved_model.load(str(tmp_path / "baseline_model" / "Format-Serving"))
    answer = loaded.signatures["serve_images"](image_bytes=tf.constant([tiny_data.grey_png(255)]))
    assert answer["labels"].numpy().tolist() == [[b"bright", b"dark"]]
    assert answer["probabilities"].numpy()[0] == pytest.approx([0.6, 0.4])


VARIABLES = ("variables/variables.index", "variables/variables.data-00000-of-00001")


@pytest.mark.parametrize("by_whom", ["pushed", "copied there"])
@pytest.mark.parametrize("file", ["saved_model.pb", *VARIABLES])
def test_a_damaged_version_is_passed_over_so_that_its_successor_can_be_trained(
    tmp_path, models, destination, file, by_whom
):
    push(models["first"], destination)
    damaged = push(models["second"], destination).path
    content = (damaged / file).read_bytes()
    (damaged / file).write_bytes(content[: len(content) // 2] + b"garbage")
    if by_whom == "copied there":
        (damaged / serving_versions.MANIFEST).write_text("{")

    version, reason = choice(models, destination)

    assert version == 1
    if file == "saved_model.pb":
        assert "version 2 is damaged: saved_model.pb is damaged" in reason
    elif by_whom == "pushed":
        assert "version 2 is damaged: its files have changed since it was pushed" in reason
    else:
        assert "version 2 is damaged: its variables cannot be read (" in reason
    assert run_step(tmp_path, models, destination)["version"] == 1


@pytest.mark.parametrize("file", VARIABLES)
def test_a_version_that_lacks_a_file_is_passed_over_and_the_file_named(models, destination, file):
    damaged = push(models["second"], destination).path
    (damaged / file).unlink()

    assert choice(models, destination) == (
        None,
        f"version 1 is damaged: {file} is missing since it was pushed",
    )


def test_a_version_without_permission_to_read_is_passed_over(models):
    with tempfile.TemporaryDirectory() as folder:  # tmp_path is closed to other users
        os.chmod(folder, 0o755)
        candidate = shutil.copytree(models["candidate"], f"{folder}/candidate")
        destination = f"{folder}/serving"
        push(models["first"], destination)
        unreadable = push(models["second"], destination).path
        unreadable.chmod(0)
        with bound_by_permissions():
            assert serving_versions.state(destination) == "2 unreadable: Permission denied"
            chosen, _ = choose_baseline(candidate, destination)
        unreadable.chmod(0o755)
    assert chosen.version == 1
    assert "version 2 cannot be read: Permission denied" in chosen.reason


def test_only_the_model_that_is_compared_with_is_downloaded(tmp_path, models, s3_bucket, monkeypatch):
    for name in ("first", "second", "no_shared_class"):
        push(models[name], s3_bucket)
    downloaded = []
    local_copy = serving_versions.local_copy
    monkeypatch.setattr(
        serving_versions, "local_copy", lambda path: downloaded.append(str(path)) or local_copy(path)
    )

    assert run_step(tmp_path, models, s3_bucket)["version"] == 2
    assert downloaded == [f"{s3_bucket}/2"]


def test_the_step_writes_no_model_when_there_is_none(tmp_path, models, destination):
    assert run_step(tmp_path, models, destination)["version"] is None
    assert not (tmp_path / "baseline_model" / "Format-Serving").exists()


def test_the_step_gives_a_baseline_model():
    step = Baseline(
        model=Channel(type=standard_artifacts.Model),
        push_destination="serving",
        serving_state="none",
        source_hash="1",
    )

    assert step.outputs["baseline_model"].type is artifacts.BaselineModel
    assert step.exec_properties["serving_state"] == "none"
