"""The exported model agrees with the Trainer in a clean process, within its budgets, or is refused."""

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tfx.types import Channel, standard_artifacts

from components.infra_check import executor as infra_check
from components.infra_check.budgets import Budgets, Reference, judge
from components.infra_check.component import InfraCheck
from components.infra_check.runner import ProbeFailed, how_it_ended, run_probe
from pipeline.config import InfraCheck as InfraCheckSettings
from tests import tiny_data, tiny_models

GREYS = (10, 240, 128)
IMAGES = [tiny_data.grey_png(grey, size=8 + grey % 5) for grey in GREYS]
HASHES = [hashlib.sha256(image).hexdigest() for image in IMAGES]
BUDGETS = Budgets(
    images=16, tolerance=1e-3, max_latency_ms=1000.0, max_memory_mb=4000.0, timeout_seconds=120.0
)


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    return tiny_models.save_model(tmp_path_factory.mktemp("model") / "Format-Serving")


@pytest.fixture(scope="module")
def answers(model_dir):
    """What a real probe answers for three grey images."""
    return run_probe(model_dir, IMAGES, timeout_seconds=120.0)


@pytest.fixture
def reference():
    bright = np.array(GREYS, np.float32) / 255.0
    rows = np.stack([1.0 - bright, bright], axis=1)
    return Reference(labels=["dark", "bright"], probabilities=dict(zip(HASHES, rows, strict=True)))


def reasons(answers, reference, **budgets) -> list[str]:
    verdict = judge(answers, HASHES, reference, Budgets(**{**vars(BUDGETS), **budgets}))
    assert verdict["ok"] == (not verdict["reasons"])
    return verdict["reasons"]


def test_the_probe_answers_each_image_alone_and_all_as_a_batch(answers):
    for rows in (answers["single"], answers["batch"]):
        assert [row["bright"] for row in rows] == pytest.approx([grey / 255 for grey in GREYS], abs=1e-6)
        assert [row["dark"] for row in rows] == pytest.approx([1 - grey / 255 for grey in GREYS], abs=1e-6)
    assert len(answers["latencies_ms"]) == 3
    assert min(*answers["latencies_ms"], answers["batch_ms"], answers["load_seconds"]) > 0


def test_a_model_that_agrees_within_its_budgets_is_blessed_with_all_numbers(answers, reference):
    verdict = judge(answers, HASHES, reference, BUDGETS)

    assert verdict["ok"]
    assert verdict["reasons"] == []
    assert verdict["max_difference"] < 1e-6
    assert (verdict["images"], verdict["compared_images"]) == (3, 3)
    assert verdict["latency_ms"]["median"] == pytest.approx(sorted(answers["latencies_ms"])[1])
    assert verdict["latency_ms"]["median"] <= verdict["latency_ms"]["p95"]
    assert 100 < verdict["memory_mb"] < 4000
    assert verdict["budgets"]["max_latency_ms"] == 1000.0


def test_outputs_that_differ_from_the_trainers_are_a_reason(answers, reference):
    reference.probabilities[HASHES[1]] = np.array([0.25, 0.75], np.float32)

    assert reasons(answers, reference) == [
        "the probabilities differ from the Trainer's by up to 0.19, allowed 0.001"
    ]
    assert reasons(answers, reference, tolerance=0.2) == []


def test_a_difference_that_only_shows_in_a_batch_is_a_reason(answers, reference):
    batch = [answers["batch"][0], answers["batch"][0], answers["batch"][2]]

    (reason,) = reasons({**answers, "batch": batch}, reference)

    assert reason.startswith("the probabilities differ from the Trainer's by up to 0.9")


def test_a_probability_that_is_no_number_is_a_reason(answers, reference):
    broken = {**answers, "single": [{"dark": float("nan"), "bright": 0.5}, *answers["single"][1:]]}

    assert reasons(broken, reference) == [
        "the probabilities differ from the Trainer's by up to nan, allowed 0.001"
    ]
    assert judge(broken, HASHES, reference, BUDGETS)["max_difference"] is None


def test_other_classes_than_the_trainers_are_a_reason(answers, reference):
    renamed = Reference(labels=["dark", "light"], probabilities=reference.probabilities)

    assert reasons(answers, renamed) == [
        "the model answers with the classes ['bright', 'dark'], it was trained on ['dark', 'light']"
    ]


def test_no_image_to_compare_with_the_trainer_is_a_reason(answers, reference):
    reference.probabilities.clear()

    assert reasons(answers, reference) == ["none of the images is among the Trainer's reference outputs"]


def test_each_budget_that_is_broken_is_a_reason_with_value_and_budget(answers, reference):
    slow = {**answers, "latencies_ms": [30.0, 20.0, 999.0], "memory_mb": 512.5}

    assert reasons(slow, reference, max_latency_ms=25.0, max_memory_mb=500.0) == [
        "one image takes 30 ms (median of 3), allowed 25 ms",
        "serving takes 512.5 MB of memory at its peak, allowed 500 MB",
    ]
    assert judge(slow, HASHES, reference, BUDGETS)["latency_ms"]["p95"] == pytest.approx(902.1)


def test_a_probe_that_hangs_is_ended_and_named(model_dir):
    with pytest.raises(ProbeFailed, match=r"no answer within 0\.5 s \(infra_check\.timeout_seconds\)"):
        run_probe(model_dir, IMAGES, timeout_seconds=0.5)


def test_a_model_without_the_signature_that_serves_images_is_refused(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "model"))

    with pytest.raises(ProbeFailed, match="no signature serve_images"):
        run_probe(tmp_path / "model", IMAGES, timeout_seconds=120.0)


def test_a_probe_that_was_killed_is_told_from_one_that_failed():
    assert how_it_ended(-signal.SIGKILL) == (
        "the process that served the model was ended by SIGKILL, perhaps for want of memory"
    )
    assert how_it_ended(1) == "the process that served the model ended with exit code 1"


def test_peak_memory_is_the_probes_own_and_not_its_parents():
    ballast = np.ones(40_000_000)  # 320 MB in this process
    code = "from components.infra_check.probe import peak_memory_mb; print(peak_memory_mb())"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert 5 < float(printed.stdout) < ballast.nbytes / 1e6 / 4


def run_step(tmp_path, model: Path, greys=GREYS, **budgets):
    """Runs the InfraCheck as the pipeline does; returns its artifact and its verdict."""
    examples = [tiny_data.raw_example(image, "dark") for image in IMAGES]
    model_run = tiny_data.new_artifact(standard_artifacts.ModelRun, tmp_path / "model_run")
    tiny_models.write_reference_outputs(tmp_path / "model_run", HASHES, np.array(greys))
    model_artifact = standard_artifacts.Model()
    model_artifact.uri = str(model.parent)
    blessing = tiny_data.new_artifact(standard_artifacts.InfraBlessing, tmp_path / "blessing")
    infra_check.Executor().Do(
        {
            "model": [model_artifact],
            "model_run": [model_run],
            "examples": [tiny_data.examples_artifact(tmp_path / "examples", {"test": examples})],
        },
        {"blessing": [blessing]},
        {"infra_check": json.dumps({**vars(InfraCheckSettings()), **budgets})},
    )
    return blessing, json.loads((tmp_path / "blessing" / "verdict.json").read_text())


def test_the_step_blesses_a_good_model_as_tfx_does(tmp_path, model_dir):
    blessing, verdict = run_step(tmp_path, model_dir, images=2)

    assert verdict["ok"]
    assert verdict["images"] == 2
    assert blessing.get_int_custom_property("blessed") == 1
    assert (tmp_path / "blessing" / "INFRA_BLESSED").exists()
    assert not (tmp_path / "blessing" / "INFRA_NOT_BLESSED").exists()


def test_the_step_does_not_bless_a_model_that_cannot_be_loaded(tmp_path):
    broken = tmp_path / "model" / "Format-Serving"
    broken.mkdir(parents=True)
    (broken / "saved_model.pb").write_bytes(b"not a graph")

    blessing, verdict = run_step(tmp_path, broken)

    assert not verdict["ok"]
    assert verdict["reasons"][0].startswith("the process that served the model ended with exit code 1: ")
    assert "saved_model.pb" in verdict["reasons"][0]
    assert blessing.get_int_custom_property("blessed") == 0
    assert (tmp_path / "blessing" / "INFRA_NOT_BLESSED").exists()


def test_the_step_declares_what_the_executor_reads():
    step = InfraCheck(
        model=Channel(type=standard_artifacts.Model),
        model_run=Channel(type=standard_artifacts.ModelRun),
        examples=Channel(type=standard_artifacts.Examples),
        infra_check="{}",
        source_hash="1",
    )

    assert step.outputs["blessing"].type is standard_artifacts.InfraBlessing
    assert step.exec_properties["infra_check"] == "{}"
