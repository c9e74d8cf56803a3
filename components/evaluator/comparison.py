"""Which test images say something about candidate and baseline both, and what the two say about them.

Left out are images that the baseline was trained on, about which it knows more than it would in service,
and images of classes that one of the two does not know, about which it cannot be right.
"""

import dataclasses
from collections.abc import Collection

import numpy as np

from components.evaluator.predictions import Predictions, columns_of


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Both models over the classes of either; one row per image of the predictions, in their order.

    Each model answers from all of its own classes: what the other one knows beyond them has probability 0.

    Attributes:
      labels: int [n], column of the true class, -1 for a class that neither knows.
      candidate, baseline: float32 [n, classes of either], probabilities.
      chosen: bool [n], whether the two are compared on the image.
      left_out: {"trained_on": images, "unknown_to_baseline", "unknown_to_candidate": {label: images}};
        an image counts once, under the first that fits.
    """

    labels: np.ndarray
    candidate: np.ndarray
    baseline: np.ndarray
    chosen: np.ndarray
    left_out: dict


def comparison(predictions: Predictions, trained_on: Collection[str]) -> Comparison | None:
    """Returns what can be compared; None without a baseline.

    Args:
      predictions: of both models.
      trained_on: content hashes of the images that the baseline was trained on.
    """
    if predictions.baseline is None:
        return None
    classes = np.array(list(dict.fromkeys([*predictions.classes, *predictions.baseline_classes])))
    trained = seen(predictions, trained_on)
    unknown_to_baseline = ~trained & ~np.isin(predictions.label, predictions.baseline_classes)
    unknown_to_candidate = ~trained & ~unknown_to_baseline & ~np.isin(predictions.label, predictions.classes)
    return Comparison(
        labels=columns_of(predictions.label, classes),
        candidate=_in_columns(predictions.candidate, predictions.classes, classes),
        baseline=_in_columns(predictions.baseline, predictions.baseline_classes, classes),
        chosen=~(trained | unknown_to_baseline | unknown_to_candidate),
        left_out={
            "trained_on": int(trained.sum()),
            "unknown_to_baseline": _counts(predictions.label[unknown_to_baseline]),
            "unknown_to_candidate": _counts(predictions.label[unknown_to_candidate]),
        },
    )


def seen(predictions: Predictions, trained_on: Collection[str]) -> np.ndarray:
    """bool [n]: the image is one of those that the baseline was trained on."""
    return np.array([content_hash in trained_on for content_hash in predictions.content_hash.tolist()])


def _in_columns(probabilities: np.ndarray, classes: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The same probabilities with a column for each name of `columns`, 0 where the model has none."""
    widened = np.zeros((len(probabilities), len(columns)), dtype=probabilities.dtype)
    widened[:, columns_of(classes, columns)] = probabilities
    return widened


def _counts(labels: np.ndarray) -> dict[str, int]:
    names, counts = np.unique(labels, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))
