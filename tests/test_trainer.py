"""The Trainer as TFX runs it: examples and a transform graph in, a model that serves out."""

import json
import os
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from pydantic import TypeAdapter

from components import serving_versions
from components.report import figures
from modules import features
from modules.backbones import check_model, with_local_files
from modules.file_hash import file_hash
from modules.recipe import Model
from modules.storage import StorageError, files_below, local_copy, location, upload_files
from modules.trainer import build, model_facts, run_fn
from modules.training_folders import log_folder
from tests.tiny_training import IMAGE_SIZE, LABELS, tiny_backbone
from tests.tiny_transform import tiny_examples, trainer_arguments, write_split, write_transform_graph

RECIPE = [
    {"name": "head", "epochs": 2, "learning_rate": 0.02},
    {
        "name": "fine_tuning",
        "train": "top 6 layers",
        "epochs": 2,
        "learning_rate": 0.01,
        "early_stopping": {},
    },
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Examples, a transform graph and the settings of a model, made once."""
    folder = tmp_path_factory.mktemp("inputs")
    for number, (split, count) in enumerate({"train": 45, "eval": 18, "test": 70}.items()):
        write_split(folder / "examples", split, tiny_examples(count, seed=number))
    tiny_backbone().save(folder / "backbone.keras")
    model = {
        "backbone_file": str(folder / "backbone.keras"),
        "backbone_preprocessing": "tf",
        "image_size": IMAGE_SIZE,
    }
    graph = write_transform_graph(folder / "transform", folder / "examples", model)
    return {"examples": folder / "examples", "transform_graph": graph, "model": model}


def run(folder, inputs, **training):
    """Runs the Trainer and returns its arguments."""
    arguments = trainer_arguments(folder, **inputs, training={"recipe": RECIPE, "batch_size": 16} | training)
    run_fn(arguments)
    return arguments


@pytest.fixture(scope="module")
def trained(tmp_path_factory, inputs):
    """A folder in which the Trainer ran, and its arguments."""
    folder = tmp_path_factory.mktemp("trained")
    return folder, run(folder, inputs)


def history_of(arguments) -> dict:
    with open(f"{arguments.model_run_dir}/history.json") as file:
        return json.load(file)


def answers_to_test_images(arguments, inputs) -> tuple[list[str], np.ndarray]:
    files = tf.io.gfile.glob(f"{inputs['examples']}/Split-test/*")
    serialized = list(tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator())
    hashes = [
        tf.train.Example.FromString(one).features.feature[features.CONTENT_HASH].bytes_list.value[0].decode()
        for one in serialized
    ]
    signature = tf.saved_model.load(arguments.serving_model_dir).signatures["serving_default"]
    return hashes, signature(examples=tf.constant(serialized))["probabilities"].numpy()


def test_the_exported_model_answers_as_the_trainer_would(trained, inputs):
    _, arguments = trained
    reference = np.load(f"{arguments.model_run_dir}/reference_outputs.npz")
    hashes, probabilities = answers_to_test_images(arguments, inputs)
    assert reference["labels"].tolist() == list(LABELS)
    assert reference["content_hash"].tolist() == hashes[:64]
    assert reference["probabilities"].dtype == np.float32
    np.testing.assert_allclose(reference["probabilities"], probabilities[:64], atol=1e-5)


def test_the_exported_model_is_the_trained_one(trained, inputs):
    _, arguments = trained
    _, probabilities = answers_to_test_images(arguments, inputs)
    accuracy = (probabilities.argmax(axis=1) == np.arange(70) % 3).mean()
    assert accuracy == pytest.approx(history_of(arguments)["stages"][-1]["eval_accuracy"], abs=0.25)
    assert accuracy > 0.6


def test_the_history_tells_stages_images_and_machine(trained):
    history = history_of(trained[1])
    assert [(s["name"], s["train"], len(s["epochs"])) for s in history["stages"]] == [
        ("head", "head", 2),
        ("fine_tuning", "top 6 layers", 2),
    ]
    assert history["images"] == {"train": 45, "eval": 18}
    assert history["parameters"] == tiny_backbone().count_params() + 8 * 3 + 3
    assert history["versions"]["tensorflow"] == tf.__version__
    assert history["machine"]["cpu_cores"] >= 1


def facts_of(arguments) -> dict:
    with open(f"{arguments.serving_model_dir}/assets.extra/headstart.json") as file:
        return json.load(file)


def test_facts_about_the_model_lie_beside_it(trained, inputs):
    facts = facts_of(trained[1])
    assert {key: facts[key] for key in ("labels", "backbone", "image_size")} == {
        "labels": list(LABELS),
        "backbone": inputs["model"]["backbone_file"],
        "image_size": IMAGE_SIZE,
    }
    assert facts["made_of"]["files"] == {"backbone_file": file_hash(inputs["model"]["backbone_file"])}
    assert facts["graph_code"] != facts["made_of"]["code"]


def test_equal_trainings_give_models_of_equal_identity_and_different_bytes(tmp_path, trained, inputs):
    again = run(tmp_path, inputs)
    assert facts_of(again) == facts_of(trained[1])
    folders = (again.serving_model_dir, trained[1].serving_model_dir)
    assert len({serving_versions.content_hash(folder) for folder in folders}) == 2


def test_other_settings_files_and_code_are_seen_in_the_identity_and_places_are_not(tmp_path, trained, inputs):
    _, arguments = trained
    tiny_backbone().save(tmp_path / "moved.keras")
    (tmp_path / "moved.keras").write_bytes(Path(inputs["model"]["backbone_file"]).read_bytes())

    def identity(model=None, training=None, weight_change=0.0, **config):
        settings = arguments.custom_config | config
        settings["model"] = settings["model"] | (model or {})
        settings["training"] = settings["training"] | (training or {})
        local = with_local_files(TypeAdapter(Model).validate_python(settings["model"]))
        network = build(local, LABELS, seed=1)
        kernel = network.head_layers[-1].kernel
        kernel.assign(kernel + weight_change)
        facts = model_facts(network, LABELS, local, settings)
        return {key: facts[key] for key in ("weights_hash", "graph_code", "made_of")}

    same = identity()
    assert identity(model={"backbone_file": str(tmp_path / "moved.keras")}) == same
    assert identity(training={"store": "disk"}) == same
    assert identity(weight_change=1e-6)["weights_hash"] != same["weights_hash"]
    assert identity(model={"backbone_preprocessing": "unit"})["weights_hash"] != same["weights_hash"]
    assert identity(training={"seed": 7})["made_of"]["config"] != same["made_of"]["config"]
    assert identity(model_source_hash="other")["made_of"]["code"] != same["made_of"]["code"]
    assert identity(model_source_hash="other")["graph_code"] == same["graph_code"]
    assert identity(graph_source_hash="other")["graph_code"] != same["graph_code"]
    (tmp_path / "moved.keras").write_bytes(b"")
    tiny_backbone(dropout=0.1).save(tmp_path / "moved.keras")
    changed = identity(model={"backbone_file": str(tmp_path / "moved.keras")})
    assert changed["made_of"]["files"] != same["made_of"]["files"]


def test_pixels_and_activations_are_gone_after_the_export(tmp_path, inputs):
    run(tmp_path, inputs, store="disk")
    (key,) = os.listdir(tmp_path / "training")
    assert sorted(os.listdir(tmp_path / "training" / key)) == ["exported", "stage_0.npz", "stage_1.npz"]


def test_a_step_killed_after_the_export_exports_again_without_training(tmp_path, trained, inputs):
    folder, first = trained
    again = trainer_arguments(tmp_path, **inputs, training=first.custom_config["training"])
    again.custom_config["training_dir"] = str(folder / "training")
    run_fn(again)
    assert history_of(again)["stages"] == history_of(first)["stages"]
    reference, expected = (
        np.load(f"{arguments.model_run_dir}/reference_outputs.npz")["probabilities"]
        for arguments in (again, first)
    )
    np.testing.assert_array_equal(reference, expected)
    assert not os.path.exists(tmp_path / "tensorboard")


@pytest.mark.parametrize(("option", "value"), [("mixed_precision", "bfloat16"), ("distribution", "mirrored")])
def test_the_export_is_float32_on_one_device_whatever_trained_it(tmp_path, inputs, option, value):
    arguments = run(tmp_path, inputs, **{option: value})
    variables = f"{arguments.serving_model_dir}/variables/variables"
    reader = tf.train.load_checkpoint(variables)
    types = {
        reader.get_variable_to_dtype_map()[name]
        for name, shape in tf.train.list_variables(variables)
        if shape
    }
    assert types == {tf.float32}
    reference = np.load(f"{arguments.model_run_dir}/reference_outputs.npz")
    _, probabilities = answers_to_test_images(arguments, inputs)
    np.testing.assert_allclose(reference["probabilities"], probabilities[:64], atol=1e-5)


def test_backbone_and_logs_lie_in_an_object_store(tmp_path, trained, inputs, s3_bucket, caplog):
    upload_files({"own.keras": Path(inputs["model"]["backbone_file"])}, f"{s3_bucket}/models")
    address = f"{s3_bucket}/models/own.keras"
    remote_inputs = {**inputs, "model": inputs["model"] | {"backbone_file": address}}
    arguments = trainer_arguments(tmp_path, **remote_inputs, training={"recipe": RECIPE, "batch_size": 16})
    arguments.custom_config |= {"training_dir": None, "tensorboard_dir": f"{s3_bucket}/out/tensorboard"}
    with caplog.at_level("INFO", "headstart.training"):
        run_fn(arguments)

    stages, expected = history_of(arguments)["stages"], history_of(trained[1])["stages"]
    assert [s["eval_accuracy"] for s in stages] == [s["eval_accuracy"] for s in expected]
    with open(f"{arguments.serving_model_dir}/assets.extra/headstart.json") as file:
        assert json.load(file)["backbone"] == address
    assert "if it is stopped, it starts over" in caplog.text
    assert sorted(os.listdir(tmp_path)) == ["model", "model_run"]
    logs = files_below(f"{s3_bucket}/out/tensorboard")
    assert {name.split("/", 1)[1].rpartition("/")[0] for name in logs} == {
        f"{stage}/{split}" for stage in ("1_head", "2_fine_tuning") for split in ("train", "eval")
    }
    copy = local_copy(f"{s3_bucket}/out/tensorboard")
    (name,) = os.listdir(copy)
    losses = [
        event.summary.value[0]
        for file in tf.io.gfile.glob(f"{copy}/{name}/1_head/train/*")
        for event in tf.compat.v1.train.summary_iterator(file)
        if event.summary.value
    ]
    assert len({value.tag for value in losses}) >= 2


def test_logs_arrive_although_training_fails_and_their_loss_does_not_hide_why(s3_bucket, caplog):
    def fail(tensorboard_dir):
        with log_folder(tensorboard_dir) as folder:
            (Path(folder) / "events").write_text("1 epoch")
            raise ValueError("the loss is nan")

    with pytest.raises(ValueError, match="the loss is nan"):
        fail(f"{s3_bucket}/tensorboard")
    assert (location(s3_bucket) / "tensorboard" / "events").read_text() == "1 epoch"
    with pytest.raises(ValueError, match="the loss is nan"):
        fail("s3://no-such-bucket/t")
    assert "events were not uploaded: s3://no-such-bucket/t: there is no bucket" in caplog.text


def test_a_weights_file_is_fetched_from_its_address_and_names_without_a_file_stay(s3_bucket):
    (location(s3_bucket) / "net.weights.h5").write_bytes(b"weights")
    model = Model(weights=f"{s3_bucket}/net.weights.h5")
    check_model(model)
    local = with_local_files(model)
    assert Path(local.weights).name == "net.weights.h5"
    assert Path(local.weights).read_bytes() == b"weights"
    assert with_local_files(Model(weights="imagenet")) == Model(weights="imagenet")
    assert with_local_files(Model(weights="/local.h5")).weights == "/local.h5"

    with pytest.raises(
        FileNotFoundError, match=rf"model\.weights: there is no file at {s3_bucket}/absent\.h5"
    ):
        check_model(Model(weights=f"{s3_bucket}/absent.h5"))
    with pytest.raises(StorageError, match="there is no bucket 'no-such-bucket'"):
        check_model(Model(weights="s3://no-such-bucket/net.h5"))


def test_without_a_test_split_there_are_no_reference_outputs(tmp_path, inputs):
    os.symlink(inputs["examples"] / "Split-train", tmp_path / "Split-train")
    os.symlink(inputs["examples"] / "Split-eval", tmp_path / "Split-eval")
    arguments = run(tmp_path / "out", inputs | {"examples": tmp_path}, recipe=RECIPE[:1])
    reference = np.load(f"{arguments.model_run_dir}/reference_outputs.npz")
    assert reference["probabilities"].shape == (0, 3)


def test_two_runs_with_one_seed_answer_equally(tmp_path, trained, inputs):
    runs = [trained[1], run(tmp_path, inputs)]
    probabilities = [np.load(f"{one.model_run_dir}/reference_outputs.npz")["probabilities"] for one in runs]
    np.testing.assert_array_equal(*probabilities)


def test_curves_for_tensorboard_lie_in_a_folder_named_after_date_and_training(trained):
    folder, _ = trained
    (key,) = os.listdir(folder / "training")
    (name,) = os.listdir(folder / "tensorboard")
    date, _, end = name.rpartition("-")
    began = datetime.strptime(date, "%Y%m%d-%H%M%S").replace(tzinfo=timezone.utc)
    assert timedelta(0) <= datetime.now(timezone.utc) - began < timedelta(hours=1)
    assert end == key
    assert sorted(os.listdir(folder / "tensorboard" / name)) == ["1_head", "2_fine_tuning"]


@pytest.mark.parametrize("named", ["20261101-020000-{key}", "{key}"])
def test_a_training_that_was_interrupted_goes_on_in_the_folder_of_its_curves(
    tmp_path, trained, inputs, named
):
    folder, _ = trained
    (key,) = os.listdir(folder / "training")
    os.makedirs(tmp_path / "training" / key)
    shutil.copy(folder / "training" / key / "stage_0.npz", tmp_path / "training" / key)  # one of two is done
    os.makedirs(tmp_path / "tensorboard" / named.format(key=key) / "1_head")
    os.makedirs(tmp_path / "tensorboard" / "20261101-030000-0123456789abcdef" / "1_head")

    run(tmp_path, inputs)

    assert sorted(os.listdir(tmp_path / "tensorboard" / named.format(key=key))) == ["1_head", "2_fine_tuning"]
    assert os.listdir(tmp_path / "tensorboard" / "20261101-030000-0123456789abcdef") == ["1_head"]
    assert len(os.listdir(tmp_path / "tensorboard")) == 2


def test_the_same_training_from_the_beginning_has_new_curves(tmp_path, trained, inputs):
    folder, _ = trained
    (key,) = os.listdir(folder / "training")
    os.makedirs(tmp_path / "tensorboard" / f"20261101-020000-{key}")
    run(tmp_path, inputs)
    assert [
        len(os.listdir(tmp_path / "tensorboard" / name))
        for name in sorted(os.listdir(tmp_path / "tensorboard"))
    ] == [0, 2]


def test_the_report_draws_its_curves_from_the_history(trained):
    stages = history_of(trained[1])["stages"]
    for name in ("accuracy", "loss"):
        svg = figures.training_curve(stages, name, name, as_percent=name == "accuracy")
        assert svg.count('class="kept"') == 2
        assert svg.count('class="eval"') == 4  # a dot an epoch
