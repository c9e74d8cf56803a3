"""The verdict from known predictions: bounds, what applies, and the fall of the baseline."""

import json

import numpy as np
import pytest

from components.baseline.chosen import Chosen
from components.data_record import DataRecord
from components.evaluator import analysis
from components.evaluator.baseline_records import BaselineRecords
from components.evaluator.judgement import Judgement
from components.evaluator.predictions import Predictions, columns_of
from components.evaluator.verdict import verdict
from tests.tiny_evaluation import settings

SERVES = Chosen(3, "it serves", serves=True)
NOTHING = Chosen(None, "no model serves from /serving yet")
DATA = "0123456789abcdef"


def said(answers, classes, sure=0.9):
    """float32 [n, classes]: a model that gives each image's answer most of the probability."""
    rest = (1 - sure) / (len(classes) - 1)
    probabilities = np.full((len(answers), len(classes)), rest, np.float32)
    probabilities[np.arange(len(answers)), columns_of(np.array(answers), np.array(classes))] = sure
    return probabilities


def predicted(labels, candidate, baseline=None, classes=("a", "b"), baseline_classes=("a", "b")):
    """Predictions of models that give these answers to images of these classes."""
    return Predictions(
        content_hash=np.array([f"{index:064x}" for index in range(len(labels))]),
        source_path=np.array([f"{label}/{index}.png" for index, label in enumerate(labels)]),
        label=np.array(labels),
        classes=np.array(classes),
        candidate=said(candidate, classes),
        baseline_classes=None if baseline is None else np.array(baseline_classes),
        baseline=None if baseline is None else said(baseline, baseline_classes),
        slices={},
    )


def judge(predictions, thresholds=None, baseline=SERVES, records=analysis.NO_RECORDS, **changes):
    """The verdict on these predictions, with a bound that every candidate meets unless others are given."""
    thresholds = {"accuracy": {"at_least": 0.0}} if thresholds is None else thresholds
    numbers = analysis.analyse(predictions, 2, 0.95, records)
    return verdict(numbers, settings(thresholds=thresholds, **changes), baseline, DATA)


# Bounds


def right(count, of=100):
    """Answers to images of "a", so many of them right."""
    return ["a"] * count + ["b"] * (of - count)


def test_a_bound_that_is_met_exactly_holds_in_floating_point():
    assert 0.84 - 0.85 < -0.01
    made = predicted(["a"] * 100, right(84), right(85))
    bounds = {"accuracy": {"at_least": 0.84, "change_at_least": -0.01}}
    assert judge(made, bounds)["blessed"] is True
    worse = predicted(["a"] * 100, right(83), right(85))
    assert judge(worse, bounds)["reasons"] == [
        "accuracy is 0.8300, below evaluation.thresholds.accuracy.at_least of 0.84.",
        "accuracy is 0.8300, -0.0200 against the serving model's 0.8500; "
        "evaluation.thresholds.accuracy.change_at_least is -0.01.",
    ]


def test_a_version_that_does_not_serve_is_called_by_its_number():
    made = predicted(["a"] * 100, right(83), right(85))
    reasons = judge(made, {"accuracy": {"change_at_least": 0.0}}, Chosen(2, "the newest comparable one"))[
        "reasons"
    ]
    assert reasons == [
        "accuracy is 0.8300, -0.0200 against version 2's 0.8500; "
        "evaluation.thresholds.accuracy.change_at_least is 0."
    ]


def test_where_less_is_better_the_bounds_are_upper_ones():
    made = predicted(["a"] * 100, right(80), right(90))
    bounds = {"calibration_error": {"at_most": 0.05, "change_at_most": 0.05}}
    decision = judge(made, bounds)
    assert decision["metrics"]["calibration_error"]["value"] == pytest.approx(0.1)
    assert decision["reasons"] == [
        "calibration_error is 0.1000, above evaluation.thresholds.calibration_error.at_most of 0.05.",
        "calibration_error is 0.1000, +0.1000 against the serving model's 0.0000; "
        "evaluation.thresholds.calibration_error.change_at_most is 0.05.",
    ]
    assert judge(made, {"calibration_error": {"at_most": 0.1, "change_at_most": 0.1}})["blessed"] is True


def test_a_metric_that_cannot_be_computed_does_not_meet_its_bounds():
    made = predicted(["a"] * 4, right(4, 4), right(4, 4))  # one class alone has no curve
    decision = judge(made, {"auc": {"at_least": 0.5, "change_at_least": -0.1}})
    assert decision["blessed"] is False
    assert decision["reasons"] == ["auc cannot be computed on this test split, so its threshold is not met."]


def test_only_empty_thresholds_bless_every_candidate_for_want_of_one():
    every = "No threshold applies, so every candidate is blessed; set evaluation.thresholds."
    alone = predicted(["a"] * 4, right(1, 4))
    assert judge(alone, {}, NOTHING)["reasons"] == [every]
    assert judge(predicted(["a"] * 4, right(1, 4), right(4, 4)), {})["reasons"] == [every]
    assert judge(alone, {"accuracy": {"change_at_least": 0.0}}, NOTHING)["reasons"] == [
        "There is no model to compare with (no model serves from /serving yet): bounds on changes were not "
        "applied."
    ]


def test_a_class_that_the_candidate_has_dropped_leaves_every_image_to_compare():
    made = predicted(["a", "b"], ["a", "b"], ["a", "gone"], baseline_classes=("gone", "a", "b"))
    decision = judge(made)
    assert decision["compared"]["images"] == 2
    assert decision["baseline"]["metrics"]["accuracy"]["value"] == 0.5
    assert decision["reasons"] == []


def test_of_many_classes_that_were_not_compared_the_first_are_named():
    classes = [f"class {index}" for index in range(9)]
    made = predicted(
        ["a", *classes], ["a", *classes], ["a"] * 10, classes=("a", *classes), baseline_classes=("a", "b")
    )
    assert judge(made)["reasons"] == [
        "9 images of 9 classes that version 3 does not know ('class 0', 'class 1', 'class 2', 'class 3', "
        "'class 4' and 4 more) were not compared with it."
    ]


# The fall of the baseline


def recorded(by_class, trained_on=()):
    judgement = Judgement(by_class, "feedfeedfeedfeed", "2026-11-01 02:30 UTC")
    return BaselineRecords(trained_on=frozenset(trained_on), judgement=judgement)


LABELS = ["a"] * 100 + ["b"] * 100
SWAPPED = ["b"] * 100 + ["a"] * 100
GOOD = recorded({"a": [95, 100], "b": [93, 100]})


def test_swapped_classes_are_refused_although_the_candidate_looks_much_better():
    made = predicted(LABELS, LABELS, SWAPPED)
    decision = judge(made, {"accuracy": {"change_at_least": -0.01}}, records=GOOD)
    assert decision["difference"]["accuracy"]["value"] == 1.0
    assert decision["blessed"] is False
    fall = decision["baseline_fall"]
    assert (fall["value"], fall["recorded"]["right"], fall["present"]["right"]) == (0.94, 188, 0)
    assert decision["reasons"] == [
        "The baseline has fallen: version 3, which serves, was right about 188 of 200 images (94.0%) when it "
        "was judged (2026-11-01 02:30 UTC, test set feedfeedfeedfeed), and is right about 0 of 200 images "
        f"(0.0%) of the same classes today (test set {made.fingerprint()}, without what it was trained on). "
        f"That is a fall of at least {100 * fall['low']:.1f} points with 95% confidence; "
        "evaluation.max_baseline_fall is 0.05. New images may hide relabelled or swapped ones: look at the "
        "weakest classes and surest mistakes in the report, and correct the labels. If they are right, "
        "accept this data, and no other: "
        f"--set evaluation.accepted_data={DATA}."
    ]


def test_a_fall_is_accepted_for_the_data_that_was_named_and_no_other():
    made = predicted(LABELS, LABELS, SWAPPED)
    accepted = judge(made, records=GOOD, accepted_data=DATA)
    assert accepted["blessed"] is True
    (remark,) = accepted["reasons"]
    assert remark.startswith(
        "Accepted by evaluation.accepted_data: version 3, which serves, was right about 188"
    )
    other = judge(made, records=GOOD, accepted_data="f" * 16)
    assert other["blessed"] is False
    assert other["reasons"][0].endswith(
        f"--set evaluation.accepted_data={DATA} "
        f"(evaluation.accepted_data is {'f' * 16}, which is other data)."
    )


@pytest.mark.parametrize(("still_right", "blessed"), [(190, True), (178, True), (166, True), (165, False)])
def test_a_fall_counts_when_its_lower_bound_is_above_the_setting(still_right, blessed):
    answers = LABELS[:still_right] + SWAPPED[still_right:]
    decision = judge(predicted(LABELS, LABELS, answers), records=recorded({"a": [100, 100], "b": [88, 100]}))
    assert decision["baseline_fall"]["value"] == pytest.approx((188 - still_right) / 200)
    assert (decision["baseline_fall"]["low"] <= 0.05) == blessed
    assert decision["blessed"] is blessed


def test_with_a_maximum_of_one_no_fall_is_refused():
    assert judge(predicted(LABELS, LABELS, SWAPPED), records=GOOD, max_baseline_fall=1.0)["blessed"] is True


def test_a_fall_is_over_the_classes_of_both_test_sets_and_images_that_the_baseline_was_not_trained_on():
    labels = ["a"] * 10 + ["b"] * 10 + ["new"] * 10
    answers = ["a"] * 10 + ["b"] * 4 + ["a"] * 6 + ["a"] * 10
    made = predicted(labels, labels, answers, classes=("a", "b", "new"))
    records = recorded({"a": [9, 10], "b": [8, 10], "older": [0, 50]}, trained_on=made.content_hash[10:14])
    fall = judge(made, records=records)["baseline_fall"]
    assert (fall["recorded"]["right"], fall["recorded"]["images"]) == (17, 20)
    assert (fall["present"]["right"], fall["present"]["images"]) == (10, 16)


def test_without_a_record_or_a_class_of_both_the_fall_is_not_judged():
    made = predicted(LABELS, LABELS, SWAPPED)
    assert judge(made)["baseline_fall"] is None
    assert judge(made, records=recorded({"other": [5, 5], "a": [0, 0]}))["baseline_fall"] is None
    everything = recorded({"a": [95, 100]}, trained_on=made.content_hash)
    assert judge(made, records=everything)["baseline_fall"] is None


def test_where_the_candidate_serves_already_the_version_before_may_have_fallen():
    """Its data was accepted for its own push; a run without the acceptance must not refuse it afterwards."""
    before = Chosen(2, "the newest comparable one", candidate_version=3)
    assert judge(predicted(LABELS, LABELS, SWAPPED), baseline=before, records=GOOD)["blessed"] is True


def test_a_fall_is_refused_without_any_threshold_too():
    decision = judge(predicted(LABELS, LABELS, SWAPPED), {}, records=GOOD)
    assert decision["blessed"] is False
    assert "No threshold applies" not in " ".join(decision["reasons"])


# The records of the baseline


def test_the_verdict_is_read_by_the_next_one_as_it_was_written(tmp_path):
    made = predicted(["a", "b", "b", "new"], ["a", "b", "a", "a"])
    decision = judge(made, baseline=NOTHING)
    folder = tmp_path / "assets.extra/headstart"
    folder.mkdir(parents=True)
    (folder / "verdict.json").write_text(json.dumps(decision))
    assert BaselineRecords.read(tmp_path) == BaselineRecords(
        judgement=Judgement({"a": [1, 1], "b": [1, 2], "new": [0, 1]}, made.fingerprint(), decision["judged"])
    )


def test_the_train_and_eval_images_of_a_version_count_as_trained_on(tmp_path):
    folder = tmp_path / "assets.extra/headstart"
    folder.mkdir(parents=True)
    rows = [("aa" * 32, "a", "train"), ("bb" * 32, "a", "eval"), ("cc" * 32, "a", "test")]
    DataRecord.of(rows).write(folder)
    assert BaselineRecords.read(tmp_path).trained_on == {"aa" * 32, "bb" * 32}


def test_a_version_of_before_has_no_records(tmp_path):
    assert BaselineRecords.read(tmp_path) == BaselineRecords()


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"by_class": {}}', '{"by_class": {"a": [3, 2]}, "test_set": "f", "judged": "j"}']
)
def test_a_damaged_verdict_of_the_baseline_is_named_and_judges_nothing(tmp_path, content):
    folder = tmp_path / "assets.extra/headstart"
    folder.mkdir(parents=True)
    (folder / "verdict.json").write_text(content)
    records = BaselineRecords.read(tmp_path)
    assert records.judgement is None
    (damage,) = records.damage
    assert damage.startswith(f"{folder / 'verdict.json'} is damaged (")


def test_the_fingerprint_of_a_test_set_is_of_contents_and_labels_in_any_order():
    made = predicted(["a", "b"], ["a", "b"])
    assert made.fingerprint() == predicted(["a", "b"], ["b", "b"]).fingerprint()
    assert made.fingerprint() != predicted(["b", "a"], ["a", "b"]).fingerprint()
    assert len(made.fingerprint()) == 16
