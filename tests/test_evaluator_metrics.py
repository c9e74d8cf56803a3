"""Metrics against other implementations, their intervals, and the analysis of many classes."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from components.evaluator import analysis, intervals, metrics, predictions
from tests.tiny_evaluation import random_predictions

# Metrics


def test_metrics_of_four_images_by_hand():
    labels = np.array([0, 0, 0, 1])
    probabilities = np.array([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.2, 0.3, 0.5], [0.7, 0.3, 0.0]])
    values = metrics.metric_values(labels, probabilities, top_k=2)
    assert values["accuracy"] == 0.5
    assert values["balanced_accuracy"] == pytest.approx((2 / 3 + 0) / 2)
    assert values["top_k_accuracy"] == 0.75
    assert values["cross_entropy"] == pytest.approx(-np.log([0.9, 0.6, 0.2, 0.3]).mean())
    # Class 0 against the rest: 0.7 lies below 0.9 only; class 1: 0.3 beats 0.1, ties 0.3, loses to 0.4.
    assert values["auc"] == pytest.approx((1 / 3 + 0.5) / 2)
    # Each image has a bin of its own: gaps 0.1, 0.4, 0.5, 0.7.
    assert values["calibration_error"] == pytest.approx((0.1 + 0.4 + 0.5 + 0.7) / 4)


def test_metrics_agree_with_keras():
    labels, probabilities = random_predictions(200, 5)
    probabilities = probabilities.astype(np.float32)
    values = metrics.metric_values(labels, probabilities, top_k=3)
    one_hot = np.eye(5)[labels]
    top_3 = tf.keras.metrics.sparse_top_k_categorical_accuracy(labels, probabilities, k=3)
    cross_entropy = tf.keras.losses.sparse_categorical_crossentropy(labels, probabilities)
    area = tf.keras.metrics.AUC(num_thresholds=20000, multi_label=True)
    area.update_state(one_hot, probabilities)
    assert values["top_k_accuracy"] == pytest.approx(np.mean(top_3))
    assert values["cross_entropy"] == pytest.approx(np.mean(cross_entropy), rel=1e-5)
    assert values["auc"] == pytest.approx(float(area.result()), abs=1e-3)


def test_a_class_the_model_does_not_know_is_always_wrong():
    probabilities = np.array([[0.2, 0.8], [0.2, 0.8]])
    values = metrics.metric_values(np.array([1, metrics.UNKNOWN_CLASS]), probabilities, top_k=2)
    assert values["accuracy"] == values["top_k_accuracy"] == values["balanced_accuracy"] == 0.5
    assert values["cross_entropy"] == pytest.approx(-(np.log(0.8) + np.log(1e-7)) / 2)


def test_a_confident_model_that_is_always_right_is_perfectly_calibrated():
    assert metrics.calibration_error(np.array([0, 1]), np.eye(2)) == 0


def test_calibration_curve_compares_confidence_with_accuracy():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.75, 0.25]] * 4)
    assert metrics.calibration_curve(labels, probabilities) == [
        {"low": 11 / 15, "high": 12 / 15, "count": 4, "confidence": 0.75, "accuracy": 0.5}
    ]


# Intervals


def test_wilson_interval_gives_the_published_example():
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I: 81 of 263.
    interval = intervals.wilson(81, 263, 0.95)
    assert (interval.low, interval.high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))


def test_wilson_interval_without_trials_is_everything():
    interval = intervals.wilson(0, 0, 0.95)
    assert np.isnan(interval.value)
    assert (interval.low, interval.high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [((56, 70, 48, 80), 0.0524, 0.3339), ((9, 10, 3, 10), 0.1705, 0.8090), ((10, 10, 0, 10), 0.6075, 1.0)],
)
def test_the_interval_of_a_difference_of_independent_shares_gives_the_published_examples(counts, low, high):
    # Newcombe 1998, "Interval estimation for the difference between independent proportions", table II.
    right, images, other_right, other_images = counts
    interval = intervals.newcombe(right, images, other_right, other_images, 0.95)
    assert interval.value == pytest.approx(right / images - other_right / other_images)
    assert (interval.low, interval.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_bootstrap_agrees_with_scipy():
    labels, probabilities = random_predictions(150, 3)
    ours = intervals.metric_intervals(labels, probabilities, 2, 0.95)
    for name, statistic in (
        (
            "cross_entropy",
            lambda rows: metrics.cross_entropy_of_each(labels[rows], probabilities[rows]).mean(),
        ),
        ("balanced_accuracy", lambda rows: metrics.balanced_accuracy(labels[rows], probabilities[rows])),
    ):
        theirs = stats.bootstrap(
            (np.arange(150),),
            statistic,
            vectorized=False,
            method="percentile",
            n_resamples=1000,
            random_state=1,
        ).confidence_interval
        assert ours[name].low == pytest.approx(theirs.low, abs=0.015)
        assert ours[name].high == pytest.approx(theirs.high, abs=0.015)


def test_auc_interval_agrees_with_a_bootstrap():
    labels, probabilities = random_predictions(150, 3)
    ours = intervals.metric_intervals(labels, probabilities, 2, 0.95)["auc"]
    theirs = stats.bootstrap(
        (np.arange(150),),
        lambda rows: metrics.auc(labels[rows], probabilities[rows]),
        vectorized=False,
        method="percentile",
        n_resamples=1000,
        random_state=1,
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.high, abs=0.01)


def test_every_interval_holds_its_value_and_narrows_with_more_images():
    few = intervals.metric_intervals(*random_predictions(100, 4), 2, 0.95)
    many = intervals.metric_intervals(*random_predictions(2000, 4), 2, 0.95)
    for name in few:
        assert few[name].low <= few[name].value <= few[name].high
        assert many[name].high - many[name].low < 0.5 * (few[name].high - few[name].low)


def test_difference_of_a_model_with_itself_is_zero_without_doubt():
    labels, probabilities = random_predictions(100, 3)
    for interval in intervals.metric_differences(labels, probabilities, probabilities, 2, 0.95).values():
        assert (interval.value, interval.low, interval.high) == (0, 0, 0)


def test_paired_difference_is_surer_than_two_separate_intervals():
    labels, baseline = random_predictions(500, 3)
    _, other = random_predictions(500, 3, skill=1.6)
    difference = intervals.metric_differences(labels, other, baseline, 2, 0.95)["accuracy"]
    alone = intervals.metric_intervals(labels, baseline, 2, 0.95)["accuracy"]
    assert difference.high - difference.low < 0.5 * (alone.high - alone.low)


def test_mcnemar_looks_at_disagreements_only():
    assert intervals.mcnemar_p_value(0, 0) == 1.0
    assert intervals.mcnemar_p_value(9, 1) == pytest.approx(2 * (1 + 10) / 2**10)


def test_f1_interval_surrounds_f1():
    own = np.array([True] * 6 + [False] * 4)
    predicted = np.array([True] * 4 + [False] * 2 + [True] * 2 + [False] * 2)
    interval = intervals.f1(own, predicted, 0.95)
    assert interval.value == pytest.approx(2 * 4 / (6 + 6))
    assert 0 < interval.low < interval.value < interval.high < 1


# Many classes


def test_a_thousand_classes_are_analysed_in_seconds():
    labels, probabilities = random_predictions(3000, 1000, skill=8.0)
    names = np.array([f"class {index:04d}" for index in range(1000)])
    many = predictions.Predictions(
        content_hash=names[labels],
        source_path=names[labels],
        label=names[labels],
        classes=names,
        candidate=probabilities.astype(np.float32),
        baseline_classes=None,
        baseline=None,
        slices={},
    )
    numbers = analysis.analyse(many, top_k=5, confidence=0.95)
    assert len(numbers["per_class"]) == 1000
    assert numbers["metrics"]["accuracy"]["value"] > 0.8
