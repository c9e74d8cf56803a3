"""What candidate and baseline are compared on, by the real executor: classes, and images of the training."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import tensorflow_model_analysis as tfma

from components.data_record import DataRecord
from tests.tiny_evaluation import DATA, evaluate, save_model, write_examples, write_schema

WORLD = ["a", "b", "c", "boot", "gone"]  # what an image holds a logit for
SERVES = {"version": 3, "reason": "it serves", "serves": True, "candidate_version": None}
BASELINE = "baseline_model/Format-Serving"


def knows(*classes, **confused):
    """A model of these classes; {class: the one of WORLD that it takes for it} where the two differ."""
    return {name: confused.get(name, name) for name in classes}


def model_columns(model):
    return [WORLD.index(seen) for seen in model.values()]


class World:
    """A folder with test images, a candidate and a baseline, and what both must be found to say."""

    def __init__(self, folder, candidate, baseline, n=60, relabelled=None):
        self.folder = folder
        labels, self.logits = write_examples(folder / "examples", WORLD, n, 4.0, relabelled)
        self.label = np.array([(relabelled or {}).get(WORLD[label], WORLD[label]) for label in labels])
        write_schema(folder / "schema")
        for place, model in (("model/Format-Serving", candidate), (BASELINE, baseline)):
            save_model(folder / place, list(model), 1.0, model_columns(model), width=len(WORLD))
        self.candidate_right = self.answers(candidate) == self.label
        self.baseline_right = self.answers(baseline) == self.label

    def answers(self, model):
        """str [n]: a model's answers from all of its own classes."""
        return np.array(list(model))[self.logits[:, model_columns(model)].argmax(axis=1)]

    @property
    def content_hash(self):
        return [hashlib.sha256(row.tobytes()).hexdigest() for row in self.logits]

    def record(self, splits):
        """Writes beside the baseline which images it was made with: {split: positions of test images}."""
        rows = [
            (self.content_hash[position], str(self.label[position]), split)
            for split, positions in splits.items()
            for position in positions
        ]
        folder = self.folder / BASELINE / "assets.extra/headstart"
        folder.mkdir(parents=True)
        DataRecord.of(rows).write(folder)


@pytest.fixture(scope="module")
def other_classes(tmp_path_factory):
    """A candidate that has learned "boot" and no longer knows "gone", both in the test split."""
    world = World(
        tmp_path_factory.mktemp("classes"),
        knows("a", "b", "c", "boot"),
        knows("gone", "c", "b", "a", a="boot"),
    )
    bounds = {"accuracy": {"change_at_least": -0.5}}
    return world, evaluate(world.folder, SERVES, bounds, slices=["width"])


def test_models_of_other_classes_are_compared_on_the_images_whose_class_both_know(other_classes):
    world, result = other_classes
    shared = np.isin(world.label, ["a", "b", "c"])
    decision = result.verdict
    assert 20 < shared.sum() < 60
    assert decision["baseline"]["version"] == 3
    assert decision["compared"]["images"] == shared.sum()
    assert decision["compared"]["metrics"]["accuracy"]["value"] == pytest.approx(
        world.candidate_right[shared].mean()
    )
    assert decision["baseline"]["metrics"]["accuracy"]["value"] == pytest.approx(
        world.baseline_right[shared].mean()
    )
    assert decision["difference"]["accuracy"]["value"] == pytest.approx(
        world.candidate_right[shared].mean() - world.baseline_right[shared].mean()
    )
    # Right among the shared classes alone is not enough: "gone" is one of its answers too.
    assert "gone" in world.answers(knows("gone", "c", "b", "a", a="boot"))[shared]
    only = (world.candidate_right & ~world.baseline_right)[shared].sum()
    assert result.analysis["mcnemar"]["only_candidate_right"] == only


def test_the_candidates_own_metrics_are_over_all_test_images(other_classes):
    world, result = other_classes
    assert result.verdict["images"] == 60
    assert result.verdict["metrics"]["accuracy"]["value"] == pytest.approx(world.candidate_right.mean())
    rows = {row["label"]: row for row in result.analysis["per_class"]}
    for label in ("a", "b", "c"):
        own = world.label == label
        assert rows[label]["recall"]["value"] == pytest.approx(world.candidate_right[own].mean())
        assert rows[label]["baseline_recall"]["value"] == pytest.approx(world.baseline_right[own].mean())
    assert rows["boot"]["baseline_recall"] is rows["gone"]["baseline_recall"] is None


def test_the_verdict_says_which_images_were_not_compared(other_classes):
    world, result = other_classes
    boots, gone = (world.label == "boot").sum(), (world.label == "gone").sum()
    assert result.verdict["blessed"] is True
    assert result.verdict["reasons"] == [
        f"{boots} images of 1 class that version 3 does not know ('boot') were not compared with it.",
        f"{gone} images of 1 class that the candidate does not know ('gone') "
        "were not compared with version 3.",
    ]


def test_slices_compare_what_is_compared_overall(other_classes):
    world, result = other_classes
    rows = result.analysis["slices"]["width"]
    assert sum(row["images"] for row in rows) == 60
    assert sum(row["compared"]["images"] for row in rows) == result.verdict["compared"]["images"]
    right = sum(row["baseline"]["accuracy"]["value"] * row["compared"]["images"] for row in rows)
    assert right == pytest.approx(world.baseline_right[np.isin(world.label, ["a", "b", "c"])].sum())


def test_tfma_writes_the_numbers_of_both_models_over_all_test_images(other_classes):
    world, result = other_classes
    for name, right in (("candidate", world.candidate_right), ("baseline", world.baseline_right)):
        loaded = tfma.load_eval_result(str(result.folder / "evaluation"), model_name=name)
        values = dict(loaded.slicing_metrics)[()][""][""]
        assert values["accuracy"]["doubleValue"] == pytest.approx(right.mean())
        assert values["example_count"]["doubleValue"] == 60


def test_a_broken_bound_on_a_change_says_on_how_many_images(tmp_path):
    world = World(tmp_path, knows("a", "b", "c", "boot", a="b", b="a"), knows("a", "b", "c"))
    result = evaluate(world.folder, SERVES, {"accuracy": {"change_at_least": -0.01}})
    shared = np.isin(world.label, ["a", "b", "c"])
    candidate, baseline = world.candidate_right[shared].mean(), world.baseline_right[shared].mean()
    assert result.verdict["blessed"] is False
    assert result.verdict["reasons"][0] == (
        f"accuracy is {candidate:.4f} on the {shared.sum()} images compared, {candidate - baseline:+.4f} "
        f"against the serving model's {baseline:.4f}; "
        "evaluation.thresholds.accuracy.change_at_least is -0.01."
    )


def test_images_that_the_baseline_was_trained_on_are_left_out_of_the_comparison(tmp_path):
    """It knows them by heart, and wins by them: the better candidate must not be refused for that."""
    world = World(tmp_path, knows(*WORLD, a="b", b="c", c="a"), knows(*WORLD, boot="gone", gone="boot"))
    leaked = np.flatnonzero(np.isin(world.label, ["a", "b", "c"]))
    fair = np.setdiff1d(np.arange(60), leaked)
    world.record({"train": leaked[:15], "eval": leaked[15:], "test": fair[:3]})
    assert world.candidate_right.mean() < world.baseline_right.mean()
    assert world.candidate_right[fair].mean() > world.baseline_right[fair].mean()

    result = evaluate(world.folder, SERVES, {"accuracy": {"change_at_least": 0.0}})

    decision = result.verdict
    assert decision["blessed"] is True
    assert decision["reasons"] == [
        f"{len(leaked)} images that version 3 was trained on were not compared with it."
    ]
    assert decision["compared"]["left_out"]["trained_on"] == len(leaked)
    assert decision["compared"]["images"] == len(fair)
    assert result.analysis["compared"] == decision["compared"]
    of_baseline = decision["baseline"]["metrics"]["accuracy"]["value"]
    assert of_baseline == pytest.approx(world.baseline_right[fair].mean())
    assert decision["metrics"]["accuracy"]["value"] == pytest.approx(world.candidate_right.mean())


def test_when_the_baseline_was_trained_on_all_test_images_nothing_is_compared_and_that_is_said(tmp_path):
    world = World(tmp_path, knows(*WORLD, a="b", b="a"), knows(*WORLD), n=20)
    world.record({"train": range(20)})

    result = evaluate(world.folder, SERVES, {"accuracy": {"change_at_least": 0.0}})

    assert result.verdict["reasons"] == [
        "20 images that version 3 was trained on were not compared with it.",
        "There is no model to compare with (no test image can be compared with version 3): bounds on changes "
        "were not applied.",
    ]
    assert (result.verdict["baseline"]["version"], result.verdict["difference"]) == (None, {})


def test_a_damaged_record_of_the_training_images_leaves_nothing_out_and_is_named(tmp_path):
    world = World(tmp_path, knows(*WORLD), knows(*WORLD), n=20)
    world.record({"train": range(5)})
    file = world.folder / BASELINE / "assets.extra/headstart/images.npz"
    file.write_bytes(file.read_bytes()[:40])

    result = evaluate(world.folder, SERVES, {"accuracy": {"change_at_least": 0.0}})

    assert result.verdict["compared"]["images"] == 20
    (remark,) = result.verdict["reasons"]
    assert remark.startswith(f"Of version 3 a record could not be used: {file} is damaged")
    assert result.verdict["blessed"] is True


def test_swapped_folders_are_refused_by_what_the_version_before_was_right_about_until_accepted(tmp_path):
    """The candidate has learned the swapped labels, so it looks better by far."""
    before = World(tmp_path / "before", knows(*WORLD), knows(*WORLD))
    judged = evaluate(before.folder)
    now = World(tmp_path / "now", knows(*WORLD, a="b", b="a"), knows(*WORLD), relabelled={"a": "b", "b": "a"})
    records = now.folder / BASELINE / "assets.extra/headstart"
    records.mkdir(parents=True)
    shutil.copy(judged.folder / "blessing/verdict.json", records)

    refused = evaluate(now.folder, SERVES, {"accuracy": {"change_at_least": 0.0}}).verdict

    assert refused["difference"]["accuracy"]["low"] > 0.2
    assert refused["blessed"] is False
    (reason,) = refused["reasons"]
    kept = np.isin(before.label, ["c", "boot", "gone"])
    was = f"{before.candidate_right.sum()} of 60 images"
    assert f"The baseline has fallen: version 3, which serves, was right about {was}" in reason
    assert f"is right about {before.candidate_right[kept].sum()} of 60 images" in reason
    assert judged.predictions.fingerprint() in reason
    named = DATA.fingerprint()
    assert f"--set evaluation.accepted_data={named}." in reason

    bounds = {"accuracy": {"change_at_least": 0.0}}
    accepted = evaluate(now.folder, SERVES, bounds, accepted_data=named).verdict
    assert accepted["blessed"] is True
    other_data = evaluate(now.folder, SERVES, bounds, accepted_data="0" * 16).verdict
    assert other_data["blessed"] is False


def test_the_verdict_tells_the_next_one_how_this_model_did(other_classes):
    world, result = other_classes
    kept = json.loads((result.folder / "blessing/verdict.json").read_text(encoding="utf-8"))
    assert kept["by_class"] == {
        label: [int(world.candidate_right[world.label == label].sum()), int((world.label == label).sum())]
        for label in WORLD
    }
    assert kept["test_set"] == result.predictions.fingerprint()
