"""What each metric is, on arrays: TFMA's numbers and the intervals around them come from these functions.

Everywhere here, `labels` is int [n], the true class's column in `probabilities`, or -1 for a class that
the model does not know (always wrong); `probabilities` is float [n, classes] with rows that sum to 1.
"""

import numpy as np
from scipy import stats

UNKNOWN_CLASS = -1
LOWER_IS_BETTER = frozenset({"cross_entropy", "calibration_error"})

# Fifteen bins of equal width: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 3.
CALIBRATION_BINS = 15
# Keras clips probabilities here, so that one certain mistake does not make the mean infinite.
SMALLEST_PROBABILITY = 1e-7


def is_correct(labels, probabilities):
    """bool [n]: the most probable class is the true one."""
    return probabilities.argmax(axis=1) == labels


def is_in_top_k(labels, probabilities, top_k: int):
    """bool [n]: fewer than k classes are more probable than the true one."""
    return (probabilities > probability_of_label(labels, probabilities)[:, None]).sum(axis=1) < np.where(
        labels == UNKNOWN_CLASS, 0, top_k
    )


def probability_of_label(labels, probabilities):
    """float [n]: what the model gave to the true class; 0 for a class that it does not know."""
    given = probabilities[np.arange(len(labels)), labels]
    return np.where(labels == UNKNOWN_CLASS, 0.0, given)


def cross_entropy_of_each(labels, probabilities):
    """float [n], nats: minus the logarithm of the true class's probability."""
    return -np.log(np.maximum(probability_of_label(labels, probabilities), SMALLEST_PROBABILITY))


def balanced_accuracy(labels, probabilities) -> float:
    """Mean over the classes that occur of the share of their images that are right (macro recall)."""
    correct = is_correct(labels, probabilities)
    return float(np.mean([correct[labels == label].mean() for label in np.unique(labels)]))


def classes_with_a_curve(labels, class_count: int):
    """int [m]: classes that have both images of their own and of others, which a ROC curve needs."""
    support = np.bincount(labels[labels != UNKNOWN_CLASS], minlength=class_count)
    return np.flatnonzero((support > 0) & (support < len(labels)))


def auc(labels, probabilities) -> float:
    """Area under the one-versus-rest ROC curve, mean over the classes; NaN when no class has a curve.

    Exact, by ranks (Mann and Whitney 1947; ties count half). TFMA's own AUC sorts scores into evenly
    spaced thresholds, which cannot tell apart the scores close to 0 and 1 of a confident model.
    """
    areas = []
    for label in classes_with_a_curve(labels, probabilities.shape[1]):
        own = labels == label
        positives, negatives = own.sum(), (~own).sum()
        rank_sum = stats.rankdata(probabilities[:, label])[own].sum()
        areas.append((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))
    return float(np.mean(areas)) if areas else float("nan")


def calibration_bin(probabilities):
    """int [n]: index of the confidence bin of each image, 0 to CALIBRATION_BINS - 1."""
    confidence = probabilities.max(axis=1)
    return np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)


def calibration_gaps(labels, probabilities):
    """float [n]: 1 or 0 for right or wrong, minus the confidence in the predicted class."""
    return is_correct(labels, probabilities) - probabilities.max(axis=1)


def calibration_error(labels, probabilities) -> float:
    """Expected calibration error of the predicted class: mean of |accuracy - confidence| over the bins."""
    gaps = np.bincount(calibration_bin(probabilities), weights=calibration_gaps(labels, probabilities))
    return float(np.abs(gaps).sum() / len(labels))


def calibration_curve(labels, probabilities) -> list[dict]:
    """One row a bin that holds images: {"low", "high", "count", "confidence", "accuracy"}."""
    bins, confidence = calibration_bin(probabilities), probabilities.max(axis=1)
    correct = is_correct(labels, probabilities)
    return [
        {
            "low": index / CALIBRATION_BINS,
            "high": (index + 1) / CALIBRATION_BINS,
            "count": int((bins == index).sum()),
            "confidence": float(confidence[bins == index].mean()),
            "accuracy": float(correct[bins == index].mean()),
        }
        for index in np.unique(bins)
    ]


def metric_values(labels, probabilities, top_k: int) -> dict[str, float]:
    """Every metric by name; all but cross_entropy (nats, from 0 up) lie in [0, 1].

    Raises:
      ValueError: when there is no image.
    """
    if not len(labels):
        raise ValueError("metrics: no image to evaluate. The test split must hold at least one.")
    return {
        "accuracy": float(is_correct(labels, probabilities).mean()),
        "balanced_accuracy": balanced_accuracy(labels, probabilities),
        "top_k_accuracy": float(is_in_top_k(labels, probabilities, top_k).mean()),
        "cross_entropy": float(cross_entropy_of_each(labels, probabilities).mean()),
        "auc": auc(labels, probabilities),
        "calibration_error": calibration_error(labels, probabilities),
    }
