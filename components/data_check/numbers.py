"""Are sizes and brightness of the images what they were?"""

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.data_check.findings import ANOMALY, NOTICE, Finding
from components.schema_gen.limits import MIN_IMAGES, read_limits
from components.schema_gen.statistics import feature_statistics
from modules import features

_LESS_AND_MORE = {
    features.WIDTH: ("narrower", "wider"),
    features.HEIGHT: ("less high", "higher"),
    features.CHANNELS: ("of fewer channels", "of more channels"),
    features.BYTE_SIZE: ("smaller as files", "larger as files"),
    features.MEAN_BRIGHTNESS: ("darker", "brighter"),
}
_SAME_MEAN = 0.05  # means that differ by less than this share do not explain a drift


def medians_outside_limits(
    statistics: statistics_pb2.DatasetFeatureStatisticsList, schema: schema_pb2.Schema, split: str
) -> list[Finding]:
    """Returns a finding for each number whose median lies outside the limits that the schema sets.

    For the train split that is an anomaly, for the others a notice: what the model learns from
    decides. Splits of fewer than `limits.MIN_IMAGES` images are left alone, their medians are chance.
    """
    if statistics.datasets[0].num_examples < MIN_IMAGES:
        return []
    weight = ANOMALY if split == features.TRAIN_SPLIT else NOTICE
    findings = []
    for feature in schema.feature:
        found = feature_statistics(statistics, feature.name)
        if feature.name not in features.NUMERIC_SCALARS or found is None:
            continue
        median, (at_least, at_most) = found.num_stats.median, read_limits(feature)
        less, more = _LESS_AND_MORE[feature.name]
        if at_least is not None and median < at_least:
            reason = _outside(split, less, median, f"{at_least:.4g} or more")
        elif at_most is not None and median > at_most:
            reason = _outside(split, more, median, f"{at_most:.4g} or less")
        else:
            continue
        findings.append(Finding(feature.name, reason, weight))
    return findings


def _outside(split: str, change: str, median: float, expected: str) -> str:
    return f"{split} split: images are suddenly {change}: median {median:.4g}, the schema expects {expected}"


def number_drift(
    now: statistics_pb2.DatasetFeatureStatisticsList,
    before: statistics_pb2.DatasetFeatureStatisticsList,
    max_drift: float,
    version: int,
) -> list[Finding]:
    """Returns a finding for each number that is distributed otherwise than in the data of an earlier version.

    The measure is TFDV's Jensen-Shannon divergence in bits, 0 (equal) to 1 (disjoint). Its expected
    value for two samples of n images from one source is about 3 / n, so fewer than
    `limits.MIN_IMAGES` images on either side are not compared.

    Args:
      now: statistics of the train split.
      before: statistics of its train split.
      max_drift: largest allowed divergence.
    """
    if min(side.datasets[0].num_examples for side in (now, before)) < MIN_IMAGES:
        return []
    schema = tfdv.infer_schema(now)
    for feature in schema.feature:
        if feature.name in features.NUMERIC_SCALARS:
            divergence = feature.drift_comparator.jensen_shannon_divergence
            divergence.threshold = max_drift
            # On the default equal-width buckets a single huge image moves all others into one bucket,
            # and two equal sets of images come out as different (0.8 was seen).
            divergence.source.type = schema_pb2.HistogramSelection.QUANTILES
    compared = tfdv.validate_statistics(now, schema, previous_statistics=before)
    findings = []
    for drift in compared.drift_skew_info:
        name = drift.path.step[0]
        measured = drift.drift_measurements[0].value
        if measured > max_drift:
            means = [feature_statistics(side, name).num_stats.mean for side in (now, before)]
            reason = (
                f"{_change(name, *means)} in the data of version {version} "
                f"(Jensen-Shannon divergence {measured:.2f}, allowed {max_drift:g})"
            )
            findings.append(Finding(name, reason))
    return findings


def _change(name: str, mean_now: float, mean_before: float) -> str:
    means = f"mean {mean_now:.4g} now, {mean_before:.4g}"
    if abs(mean_now - mean_before) <= _SAME_MEAN * abs(mean_before):
        return f"images are suddenly distributed differently: {means}"
    less, more = _LESS_AND_MORE[name]
    return f"images are suddenly {less if mean_now < mean_before else more}: {means}"
