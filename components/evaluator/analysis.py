"""Everything the page shows about the test split, from the predictions: plain data for analysis.json."""

import dataclasses
import math

import numpy as np

from components.evaluator import intervals, metrics
from components.evaluator.baseline_records import BaselineRecords
from components.evaluator.comparison import Comparison, comparison
from components.evaluator.fall import baseline_fall
from components.evaluator.predictions import Predictions
from components.evaluator.slices import range_start

FILE_NAME = "analysis.json"
NO_RECORDS = BaselineRecords()
METHODS = {
    "accuracy": "Wilson",
    "top_k_accuracy": "Wilson",
    "auc": "DeLong",
    "balanced_accuracy": "bootstrap",
    "cross_entropy": "bootstrap",
    "calibration_error": "bootstrap, reflected",
    "difference": "paired bootstrap; DeLong for auc",
}


def analyse(
    predictions: Predictions, top_k: int, confidence: float, records: BaselineRecords = NO_RECORDS
) -> dict:
    """Metrics, differences, classes, slices, calibration and confusions as JSON-able data.

    The candidate's own numbers are over all images. What stands beside the baseline is over the images that
    the two are compared on, see comparison.py.

    Args:
      predictions: of the candidate, and of the baseline when there is one.
      top_k: k of top_k_accuracy.
      confidence: of every interval, 0.5 to 1.
      records: what the baseline was trained on, and how it was judged.

    Returns:
      images: n; top_k; confidence; methods: how each interval was made;
      test_set: fingerprint of the test images;
      metrics: {name: {value, low, high}} of the candidate;
      compared: {images, metrics, left_out}: how many images, the candidate on these, and what was left out
        (see Comparison; not repeated in slices); None without a baseline;
      baseline, difference: {name: {value, low, high}}, and mcnemar: {p_value, only_candidate_right,
        only_baseline_right}; None when there is no image to compare on;
      baseline_fall: see fall.py;
      per_class: [{label, support, right, predicted, recall, precision, f1, baseline_recall}];
      slices: {scalar: [{value, images, metrics, compared, baseline, difference}]};
      calibration: see metrics.calibration_curve;
      confusions: [{label, predicted, count}] of the cells off the diagonal, most frequent first.
    """
    labels, candidate = predictions.label_index, predictions.candidate
    both = comparison(predictions, records.trained_on)

    def numbers(rows) -> dict:
        own = _plain(intervals.metric_intervals(labels[rows], candidate[rows], top_k, confidence))
        return {"metrics": own, **_against_baseline(both, rows, own, top_k, confidence)}

    overall = numbers(np.full(len(labels), True))
    if both is not None:
        overall["compared"]["left_out"] = both.left_out
    result = {
        "images": len(labels),
        "classes": predictions.classes.tolist(),
        "top_k": top_k,
        "confidence": confidence,
        "methods": METHODS,
        "test_set": predictions.fingerprint(),
        **overall,
        "mcnemar": None if both is None or not both.chosen.any() else _mcnemar(both),
        "baseline_fall": baseline_fall(predictions, records, confidence),
        "per_class": per_class(predictions, both, confidence),
        "slices": {
            name: [
                {"value": value, "images": int((values == value).sum()), **numbers(values == value)}
                for value in sorted(np.unique(values).tolist(), key=lambda text: (range_start(text), text))
            ]
            for name, values in predictions.slices.items()
        },
        "calibration": metrics.calibration_curve(labels, candidate),
        "confusions": confusions(predictions),
    }
    return without_nan(result)


def _against_baseline(both: Comparison | None, rows, own: dict, top_k: int, confidence: float) -> dict:
    """{"compared", "baseline", "difference"} over those of the rows that are compared.

    Args:
      both: None without a baseline.
      rows: bool [n].
      own: the candidate's metrics over all of the rows.
      top_k, confidence: see analyse.
    """
    if both is None:
        return {"compared": None, "baseline": None, "difference": None}
    chosen = rows & both.chosen
    if not chosen.any():
        return {"compared": {"images": 0, "metrics": None}, "baseline": None, "difference": None}
    labels, candidate, baseline = both.labels[chosen], both.candidate[chosen], both.baseline[chosen]
    if chosen.sum() < rows.sum():
        own = _plain(intervals.metric_intervals(labels, candidate, top_k, confidence))
    return {
        "compared": {"images": int(chosen.sum()), "metrics": own},
        "baseline": _plain(intervals.metric_intervals(labels, baseline, top_k, confidence)),
        "difference": _plain(intervals.metric_differences(labels, candidate, baseline, top_k, confidence)),
    }


def _mcnemar(both: Comparison) -> dict:
    right = metrics.is_correct(both.labels, both.candidate)[both.chosen]
    baseline_right = metrics.is_correct(both.labels, both.baseline)[both.chosen]
    only_candidate, only_baseline = int((right & ~baseline_right).sum()), int((~right & baseline_right).sum())
    return {
        "only_candidate_right": only_candidate,
        "only_baseline_right": only_baseline,
        "p_value": intervals.mcnemar_p_value(only_candidate, only_baseline),
    }


def _plain(by_name: dict[str, intervals.Interval]) -> dict:
    return {name: dataclasses.asdict(interval) for name, interval in by_name.items()}


def per_class(predictions: Predictions, both: Comparison | None, confidence: float) -> list[dict]:
    """One row per class, in the model's order; then classes of the test split that it does not know.

    The baseline's recall is over the images that it is compared on; None where there is none.
    """
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
            "right": hits,
            "predicted": int(predicted.sum()) if column is not None else 0,
            "recall": dataclasses.asdict(intervals.wilson(hits, int(own.sum()), confidence)),
            "precision": dataclasses.asdict(intervals.wilson(hits, int(predicted.sum()), confidence)),
            "f1": dataclasses.asdict(intervals.f1(own, predicted, confidence)),
            "baseline_recall": None,
        }
        if both is not None and (compared := own & both.chosen).any():
            baseline_hits = metrics.is_correct(both.labels[compared], both.baseline[compared]).sum()
            row["baseline_recall"] = dataclasses.asdict(
                intervals.wilson(baseline_hits, compared.sum(), confidence)
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
