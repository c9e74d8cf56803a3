"""Everything the page shows about the test split, from the predictions: plain data for analysis.json."""

import dataclasses
import math

import numpy as np

from components.evaluator import intervals, metrics
from components.evaluator.predictions import Predictions
from components.evaluator.slices import range_start

FILE_NAME = "analysis.json"
METHODS = {
    "accuracy": "Wilson",
    "top_k_accuracy": "Wilson",
    "auc": "DeLong",
    "balanced_accuracy": "bootstrap",
    "cross_entropy": "bootstrap",
    "calibration_error": "bootstrap, reflected",
    "difference": "paired bootstrap; DeLong for auc",
}


def analyse(predictions: Predictions, top_k: int, confidence: float) -> dict:
    """Metrics, differences, classes, slices, calibration and confusions as JSON-able data.

    Returns:
      images: n; top_k; confidence; methods: how each interval was made;
      metrics, baseline: {name: {value, low, high}}, the latter None without a serving model;
      difference: {name: {value, low, high}} and mcnemar: {p_value, only_candidate_right,
        only_baseline_right}, both None without a serving model;
      per_class: [{label, support, predicted, recall, precision, f1, baseline_recall}];
      slices: {scalar: [{value, images, metrics, baseline, difference}]};
      calibration: see metrics.calibration_curve;
      confusions: [{label, predicted, count}] of the cells off the diagonal, most frequent first.
    """
    labels, candidate, baseline = predictions.label_index, predictions.candidate, predictions.baseline
    result = {
        "images": len(labels),
        "classes": predictions.classes.tolist(),
        "top_k": top_k,
        "confidence": confidence,
        "methods": METHODS,
        **_compare(labels, candidate, baseline, top_k, confidence),
        "mcnemar": None,
        "per_class": per_class(predictions, confidence),
        "slices": {
            name: _by_value(predictions, values, top_k, confidence)
            for name, values in predictions.slices.items()
        },
        "calibration": metrics.calibration_curve(labels, candidate),
        "confusions": confusions(predictions),
    }
    if baseline is not None:
        right, baseline_right = metrics.is_correct(labels, candidate), metrics.is_correct(labels, baseline)
        only_candidate, only_baseline = (
            int((right & ~baseline_right).sum()),
            int((~right & baseline_right).sum()),
        )
        result["mcnemar"] = {
            "only_candidate_right": only_candidate,
            "only_baseline_right": only_baseline,
            "p_value": intervals.mcnemar_p_value(only_candidate, only_baseline),
        }
    return without_nan(result)


def _compare(labels, candidate, baseline, top_k, confidence) -> dict:
    compared = {"metrics": _plain(intervals.metric_intervals(labels, candidate, top_k, confidence))}
    compared["baseline"] = compared["difference"] = None
    if baseline is not None:
        compared["baseline"] = _plain(intervals.metric_intervals(labels, baseline, top_k, confidence))
        compared["difference"] = _plain(
            intervals.metric_differences(labels, candidate, baseline, top_k, confidence)
        )
    return compared


def _plain(by_name: dict[str, intervals.Interval]) -> dict:
    return {name: dataclasses.asdict(interval) for name, interval in by_name.items()}


def _by_value(predictions: Predictions, values, top_k, confidence) -> list[dict]:
    rows = []
    for value in sorted(np.unique(values).tolist(), key=lambda text: (range_start(text), text)):
        chosen = values == value
        baseline = None if predictions.baseline is None else predictions.baseline[chosen]
        compared = _compare(
            predictions.label_index[chosen], predictions.candidate[chosen], baseline, top_k, confidence
        )
        rows.append({"value": value, "images": int(chosen.sum()), **compared})
    return rows


def per_class(predictions: Predictions, confidence: float) -> list[dict]:
    """One row a class, in the model's order; then classes of the test split that it does not know."""
    chosen = predictions.candidate.argmax(axis=1)
    names = predictions.classes.tolist()
    unknown = sorted(set(predictions.label.tolist()) - set(names))
    rows = []
    for name in names + unknown:
        column = names.index(name) if name in names else None
        own, predicted = predictions.label == name, chosen == column
        hits = int((own & predicted).sum())
        row = {
            "label": name,
            "support": int(own.sum()),
            "predicted": int(predicted.sum()) if column is not None else 0,
            "recall": dataclasses.asdict(intervals.wilson(hits, int(own.sum()), confidence)),
            "precision": dataclasses.asdict(intervals.wilson(hits, int(predicted.sum()), confidence)),
            "f1": dataclasses.asdict(intervals.f1(own, predicted, confidence)),
            "baseline_recall": None,
        }
        if predictions.baseline is not None:
            baseline_hits = int((own & (predictions.baseline.argmax(axis=1) == column)).sum())
            row["baseline_recall"] = dataclasses.asdict(
                intervals.wilson(baseline_hits, int(own.sum()), confidence)
            )
        rows.append(row)
    return rows


def confusions(predictions: Predictions) -> list[dict]:
    """Which class was taken for which, how often: cells off the diagonal, most frequent first."""
    chosen = predictions.classes[predictions.candidate.argmax(axis=1)]
    wrong = predictions.label != chosen
    pairs, counts = np.unique(
        np.stack([predictions.label[wrong], chosen[wrong]], axis=1), axis=0, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")
    return [
        {"label": str(label), "predicted": str(predicted), "count": int(count)}
        for (label, predicted), count in zip(pairs[order], counts[order], strict=True)
    ]


def without_nan(data):
    """The same data with None for numbers that do not exist, which JSON has no NaN for."""
    if isinstance(data, dict):
        return {key: without_nan(value) for key, value in data.items()}
    if isinstance(data, list):
        return [without_nan(value) for value in data]
    return None if isinstance(data, float) and math.isnan(data) else data
