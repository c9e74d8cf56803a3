"""How the steps are wired: what is measured, what is written, and what the cache looks at."""

import dataclasses
import json
from pathlib import Path

import pytest
from tfx.components import StatisticsGen, Transform

from modules import features
from modules.recipe import Head, Model, Resize, Training
from pipeline import dag
from pipeline.beam_config import Beam
from pipeline.config import Config, Data, Splits, TFRecordKeys, Validation
from pipeline.config_file import complete
from pipeline.recipes import load_stages
from pipeline.source_hash import source_hash


def make_config(tmp_path: Path, **sections) -> Config:
    sections = {
        "data": Data(source=str(tmp_path / "photos")),
        "model": Model(weights="none"),
        "training": Training(recipe=load_stages("fine_tuning")),
    } | sections
    return complete(Config(name="photos", output=str(tmp_path / "runs"), **sections))


def steps_of(config: Config, source_fingerprint: str = "1") -> dict:
    """Returns the steps of the pipeline by name."""
    surroundings = dag.Surroundings(source_fingerprint, serving_state="", run_id="1")
    return {step.id: step for step in dag.create_components(config, surroundings)}


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    return steps_of(make_config(tmp_path_factory.mktemp("project")))


def test_steps_follow_each_other_from_ingest_to_verdict(steps):
    assert list(steps) == [
        "ImageExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "DataCheck", "Transform",
        "Trainer", "Baseline", "Evaluator", "InfraCheck", "Pusher", "Report", "Verdict",
    ]  # fmt: skip


def test_statistics_are_of_label_and_scalars_never_of_the_pixels(steps):
    statistics_gen = steps["StatisticsGen"]
    measured = json.loads(statistics_gen.exec_properties["stats_options_json"])["_feature_allowlist"]

    assert isinstance(statistics_gen, StatisticsGen)
    assert {features.LABEL, *features.NUMERIC_SCALARS} <= set(measured)
    assert features.IMAGE_BYTES not in measured


def test_transform_materialises_nothing_and_measures_no_pixels(steps):
    transform = steps["Transform"]

    assert isinstance(transform, Transform)
    assert "transformed_examples" not in transform.outputs
    assert transform.exec_properties["disable_statistics"] == 1
    assert transform.exec_properties["preprocessing_fn"] == "modules.preprocessing.preprocessing_fn"


def test_nothing_is_transformed_or_trained_before_the_data_are_checked(steps):
    assert steps["DataCheck"] in steps["Transform"].upstream_nodes
    assert steps["Trainer"].inputs["transform_graph"].producer_component_id == "Transform"


def test_the_report_of_a_refusal_is_published_where_and_from_what_that_of_a_model_is(steps):
    data_check, report = steps["DataCheck"].exec_properties, steps["Report"].exec_properties
    for name in ("output", "run_id", "config", "code_hash"):
        assert data_check[name] == report[name]


def test_what_the_config_says_of_the_data_reaches_the_steps(tmp_path):
    data = Data(
        source=str(tmp_path / "records"),
        format="tfrecord",
        splits=Splits(train=0.5, eval=0.25, test=0.25),
        tfrecord=TFRecordKeys(image="bytes", label="class"),
        max_megapixels=7.0,
        images_per_shard=11,
        max_rejected_share=0.5,
    )
    steps = steps_of(
        make_config(tmp_path, data=data, validation=Validation(on_anomaly="warn", max_drift=0.1))
    )
    ingest, data_check = steps["ImageExampleGen"].exec_properties, steps["DataCheck"].exec_properties

    assert (ingest["source"], ingest["format"]) == (data.source, "tfrecord")
    assert json.loads(ingest["splits"]) == {"train": 0.5, "eval": 0.25, "test": 0.25}
    keys = {"image": "bytes", "label": "class", "split": None, "path": "image/filename"}
    assert json.loads(ingest["tfrecord_keys"]) == keys
    assert (ingest["max_megapixels"], ingest["images_per_shard"]) == (7.0, 11)
    assert data_check["max_rejected_share"] == 0.5
    assert data_check["on_anomaly"] == "warn"
    limits = {"max_drift": 0.1, "max_relabelled": 0.05, "max_overlap": 0.2, "accepted_data": None}
    assert json.loads(data_check["limits"]) == limits


def test_one_percent_of_the_files_may_be_useless_and_anomalies_stop_unless_the_config_says_otherwise(steps):
    data_check = steps["DataCheck"].exec_properties

    assert (data_check["max_rejected_share"], data_check["on_anomaly"]) == (0.01, "stop")


def test_changed_images_run_ingest_again(tmp_path):
    config = make_config(tmp_path)
    fingerprints = {
        steps_of(config, fingerprint)["ImageExampleGen"].exec_properties["source_fingerprint"]
        for fingerprint in ("1", "2")
    }

    assert fingerprints == {"1", "2"}


def test_an_edited_schema_file_runs_the_schema_step_again(tmp_path):
    schema_file = tmp_path / "schema.pbtxt"
    config = make_config(tmp_path, validation=Validation(schema=str(schema_file)))

    def schema_properties(text):
        schema_file.write_text(text)
        return steps_of(config)["SchemaGen"].exec_properties

    before, again, edited = map(schema_properties, ("feature {}", "feature {}", "feature { }"))

    assert before["schema_file"] == str(schema_file)
    assert before == again
    assert before["schema_file_hash"] != edited["schema_file_hash"]


def test_another_head_leaves_transform_as_it_is_and_another_size_does_not(tmp_path):
    def transform_config(**model):
        return dag.transform_config(make_config(tmp_path, model=Model(**model)))

    plain = transform_config(weights="none", image_size=64)

    assert transform_config(weights="imagenet", image_size=64, head=Head(dropout=0.5)) == plain
    assert transform_config(weights="none", image_size=96) != plain
    cropped = transform_config(weights="none", image_size=64, resize=Resize(method="area", aspect="crop"))
    assert cropped["model"]["resize"] == {"method": "area", "aspect": "crop"}


@pytest.mark.parametrize("step", ["Transform", "Trainer"])
def test_transform_and_trainer_carry_the_hash_of_the_modules_that_they_run(steps, step):
    custom_config = json.loads(steps[step].exec_properties["custom_config"])
    assert custom_config["source_hash"] == source_hash("modules")


@pytest.mark.parametrize(
    ("step", "folder"),
    [
        ("ImageExampleGen", "image_example_gen"),
        ("SchemaGen", "schema_gen"),
        ("DataCheck", "data_check"),
        ("Baseline", "baseline"),
        ("Evaluator", "evaluator"),
        ("InfraCheck", "infra_check"),
        ("Pusher", "pusher"),
        ("Report", "report"),
        ("Verdict", "verdict"),
    ],
)
def test_every_step_of_ours_carries_a_hash_that_covers_its_folder(tmp_path, monkeypatch, step, folder):
    monkeypatch.setattr(dag, "source_hash", lambda *folders: " ".join(folders))
    carried = steps_of(make_config(tmp_path))[step].exec_properties["source_hash"]
    assert f"components/{folder}" in carried


def test_the_thresholds_are_a_property_of_their_own_without_bounds_that_are_not_set(steps):
    evaluator = steps["Evaluator"].exec_properties

    assert json.loads(evaluator["thresholds"]) == {"accuracy": {"change_at_least": -0.01}}
    assert json.loads(evaluator["evaluation_settings"]) == {
        "top_k": 3, "slices": [], "confidence": 0.95, "max_baseline_fall": 0.05, "accepted_data": None,
    }  # fmt: skip


def test_a_run_is_named_to_the_steps_that_no_cache_may_answer(steps):
    named = {name for name, step in steps.items() if step.exec_properties.get("run_id") == "1"}

    assert named == {"DataCheck", "Pusher", "Report"}


def test_beam_steps_and_only_they_get_the_arguments_of_the_beam_section(tmp_path):
    beam = Beam(mode="threads", workers=3, args=("--sdk_worker_parallelism=2",))
    arguments = {
        name: step.executor_spec.beam_pipeline_args
        for name, step in steps_of(make_config(tmp_path, beam=beam)).items()
        if hasattr(step.executor_spec, "beam_pipeline_args")
    }

    assert arguments.keys() == {"ImageExampleGen", "StatisticsGen", "Transform", "Evaluator"}
    for given in arguments.values():
        assert {"--direct_num_workers=3", "--sdk_worker_parallelism=2"} <= set(given)


def test_checkpoints_stay_on_the_disk_of_the_step_when_the_output_is_an_address(tmp_path):
    def folders(output):
        config = dataclasses.replace(make_config(tmp_path), output=output)
        made = json.loads(steps_of(config)["Trainer"].exec_properties["custom_config"])
        return made["training_dir"], made["tensorboard_dir"]

    assert folders("/runs/photos") == ("/runs/photos/training", "/runs/photos/tensorboard")
    assert folders("s3://bucket/photos") == (None, "s3://bucket/photos/tensorboard")
