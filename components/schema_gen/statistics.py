"""Which statistics are computed of the images, and how the class counts are read out of them."""

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.schema_gen.measured import MEASURED_FEATURES
from modules import features

# The class counts are read from the rank histogram, which TFDV cuts off at 1,000 values by default.
MAX_CLASSES = 100_000


def statistics_options() -> tfdv.StatsOptions:
    """Returns the options for StatisticsGen: label and scalars, never the pixels."""
    return tfdv.StatsOptions(
        feature_allowlist=list(MEASURED_FEATURES), num_rank_histogram_buckets=MAX_CLASSES
    )


def feature_statistics(
    statistics: statistics_pb2.DatasetFeatureStatisticsList, name: str
) -> statistics_pb2.FeatureNameStatistics | None:
    """Returns the statistics of one feature; None when no example carries it."""
    for feature in statistics.datasets[0].features:
        if list(feature.path.step) == [name]:
            return feature
    return None


def class_counts(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> dict[str, int]:
    """Returns the number of images of each class, by class name in sorted order."""
    label = feature_statistics(statistics, features.LABEL)
    if label is None:
        return {}
    return {
        bucket.label: round(bucket.sample_count)
        for bucket in sorted(label.string_stats.rank_histogram.buckets, key=lambda bucket: bucket.label)
    }
