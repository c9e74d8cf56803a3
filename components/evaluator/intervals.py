"""How sure the numbers are: intervals of metrics, of their differences, and McNemar's test.

TFMA can estimate intervals itself, by a jackknife over 20 parts of the data. On 1,000 images of ten
classes and two models that took some 150 s instead of 18 s (two busy cores), and 20 parts say little
about 1,000 images. So intervals are computed here, from the same predictions:

- shares of images (accuracy, top-k accuracy; recall and precision of a class): Wilson's score interval
  (Wilson 1927), which stays inside [0, 1] and holds for few images and for shares near 0 and 1;
- AUC, and differences of it: the normal interval of DeLong et al. 1988, "Comparing the areas under two
  or more correlated ROC curves", by each image's influence on the mean over classes;
- the rest, and all other differences: a bootstrap over images, 2,000 resamples with a fixed seed. The
  difference of two models is taken inside each resample (paired): what makes an image hard for both
  cancels out.
"""

import dataclasses
import math

import numpy as np
from scipy import sparse, stats

from components.evaluator import metrics

RESAMPLES = 2000
SEED = 20170806
RESAMPLES_AT_ONCE = 100  # bounds memory: 100 float64 weights an image at a time


@dataclasses.dataclass(frozen=True)
class Interval:
    """A value with the bounds of its confidence interval."""

    value: float
    low: float
    high: float


def wilson(successes: int, trials: int, confidence: float) -> Interval:
    """Share of successes with Wilson's score interval; [0, 1] around NaN when there was no trial."""
    if trials == 0:
        return Interval(float("nan"), 0.0, 1.0)
    low, high = stats.binomtest(int(successes), int(trials)).proportion_ci(confidence, method="wilson")
    return Interval(successes / trials, float(low), float(high))


def newcombe(first_right: int, first: int, second_right: int, second: int, confidence: float) -> Interval:
    """First share minus second share of independent images, each group of at least one.

    Method 10 of Newcombe 1998, "Interval estimation for the difference between independent proportions",
    Statistics in Medicine 17:873-890: Wilson's intervals of both shares, squared and added.
    """
    one, other = wilson(first_right, first, confidence), wilson(second_right, second, confidence)
    value = one.value - other.value
    return Interval(
        value,
        value - math.hypot(one.value - one.low, other.high - other.value),
        value + math.hypot(one.high - one.value, other.value - other.low),
    )


def mcnemar_p_value(only_first_right: int, only_second_right: int) -> float:
    """Two-sided exact p-value of "both models are right equally often" (McNemar 1947), 0 to 1."""
    disagreements = only_first_right + only_second_right
    return float(stats.binomtest(only_first_right, disagreements).pvalue) if disagreements else 1.0


def resampled_metrics(labels, probabilities, top_k: int) -> dict[str, np.ndarray]:
    """Metrics but AUC on RESAMPLES bootstrap samples: name to float [RESAMPLES].

    The samples depend on the number of images alone, so those of two models are paired.
    """
    n = len(labels)
    correct = metrics.is_correct(labels, probabilities).astype(float)
    in_top_k = metrics.is_in_top_k(labels, probabilities, top_k).astype(float)
    cross_entropy = metrics.cross_entropy_of_each(labels, probabilities)
    present, class_of_image = np.unique(labels, return_inverse=True)
    by_class = sparse.csr_matrix((np.ones(n), (class_of_image, np.arange(n))), (len(present), n))
    gaps = sparse.csr_matrix(
        (
            metrics.calibration_gaps(labels, probabilities),
            (metrics.calibration_bin(probabilities), np.arange(n)),
        ),
        (metrics.CALIBRATION_BINS, n),
    )
    generator = np.random.default_rng(SEED)
    samples = []
    for _ in range(RESAMPLES // RESAMPLES_AT_ONCE):
        drawn = generator.integers(n, size=(RESAMPLES_AT_ONCE, n))
        times_drawn = np.stack([np.bincount(row, minlength=n) for row in drawn]).astype(float)
        support = by_class @ times_drawn.T
        hits = by_class.multiply(correct).tocsr() @ times_drawn.T
        # A class that was not drawn has no recall: the mean is taken over the others.
        recall = np.divide(hits, support, out=np.zeros_like(hits), where=support > 0)
        samples.append(
            {
                "accuracy": times_drawn @ correct / n,
                "balanced_accuracy": recall.sum(axis=0) / (support > 0).sum(axis=0),
                "top_k_accuracy": times_drawn @ in_top_k / n,
                "cross_entropy": times_drawn @ cross_entropy / n,
                "calibration_error": np.abs(gaps @ times_drawn.T).sum(axis=0) / n,
            }
        )
    return {name: np.concatenate([sample[name] for sample in samples]) for name in samples[0]}


def percentile_bounds(samples, confidence: float) -> tuple[float, float]:
    """The central share `confidence` of the samples."""
    low, high = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def auc_influence(labels, probabilities):
    """float [n]: how much each image moves the mean AUC over classes; sums to 0. NaN without any curve."""
    n = len(labels)
    classes = metrics.classes_with_a_curve(labels, probabilities.shape[1])
    influence = np.zeros(n)
    for label in classes:
        own = labels == label
        scores = probabilities[:, label]
        # Share of the other group that each image ranks on the right side of, ties half.
        ranks, ranks_own, ranks_others = (
            stats.rankdata(scores),
            stats.rankdata(scores[own]),
            stats.rankdata(scores[~own]),
        )
        positives, negatives = own.sum(), n - own.sum()
        wins_of_own = (ranks[own] - ranks_own) / negatives
        wins_against = 1 - (ranks[~own] - ranks_others) / positives
        area = wins_of_own.mean()
        influence[own] += (wins_of_own - area) * n / positives
        influence[~own] += (wins_against - area) * n / negatives
    return influence / len(classes) if len(classes) else np.full(n, np.nan)


def normal_bounds(value: float, influence, confidence: float) -> tuple[float, float]:
    """value plus and minus the normal quantile times the standard error that the influences give."""
    half_width = stats.norm.ppf((1 + confidence) / 2) * np.std(influence) / np.sqrt(len(influence))
    return float(value - half_width), float(value + half_width)


def metric_intervals(labels, probabilities, top_k: int, confidence: float) -> dict[str, Interval]:
    """Every metric of `metrics.metric_values` with its interval."""
    values = metrics.metric_values(labels, probabilities, top_k)
    samples = resampled_metrics(labels, probabilities, top_k)
    intervals = {
        name: wilson(round(values[name] * len(labels)), len(labels), confidence)
        for name in ("accuracy", "top_k_accuracy")
    }
    for name in ("balanced_accuracy", "cross_entropy"):
        intervals[name] = Interval(values[name], *percentile_bounds(samples[name], confidence))
    low, high = percentile_bounds(samples["calibration_error"], confidence)
    # Noise only ever adds to a calibration error, so every resample's is too high: reflected at the
    # value (the "basic" bootstrap; Davison and Hinkley 1997, section 5.2), the interval is not.
    error = values["calibration_error"]
    intervals["calibration_error"] = Interval(
        error, max(0.0, min(error, 2 * error - high)), max(error, 2 * error - low)
    )
    low, high = normal_bounds(values["auc"], auc_influence(labels, probabilities), confidence)
    intervals["auc"] = Interval(values["auc"], float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1)))
    return {name: intervals[name] for name in values}


def metric_differences(labels, candidate, baseline, top_k: int, confidence: float) -> dict[str, Interval]:
    """Candidate minus baseline for every metric, with paired intervals."""
    values = metrics.metric_values(labels, candidate, top_k)
    baseline_values = metrics.metric_values(labels, baseline, top_k)
    samples = resampled_metrics(labels, candidate, top_k)
    baseline_samples = resampled_metrics(labels, baseline, top_k)
    differences = {}
    for name in values:
        value = values[name] - baseline_values[name]
        if name == "auc":
            influence = auc_influence(labels, candidate) - auc_influence(labels, baseline)
            bounds = normal_bounds(value, influence, confidence)
        else:
            bounds = percentile_bounds(samples[name] - baseline_samples[name], confidence)
        differences[name] = Interval(value, *bounds)
    return differences


def f1(own, predicted, confidence: float) -> Interval:
    """F1 of a class, with Wilson's interval carried over from the Jaccard index.

    F1 = 2 j / (1 + j) rises with j, the share of hits among the images that are of the class, or
    said to be, or both. j is a share of images, so Wilson's interval holds for it.

    Args:
      own: bool [n], the image is of the class.
      predicted: bool [n], the model says so.
    """
    share = wilson((own & predicted).sum(), (own | predicted).sum(), confidence)
    return Interval(*(2 * j / (1 + j) for j in dataclasses.astuple(share)))
