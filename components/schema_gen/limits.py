"""Where the typical image of a split must lie: a lower and an upper limit of the median, kept in the schema.

A schema's own int_domain and float_domain bound every single value, so one odd image would stop a
run. What should be noticed is that the images as a whole became small or dark. The limits on the
median do that; they are tags of the feature's annotation, plain enough to be edited by hand:

    annotation { tag: "median_at_least=51.2" tag: "median_at_most=254" }
"""

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

_AT_LEAST, _AT_MOST = "median_at_least=", "median_at_most="

# The limits are the 10th and 90th percentile of the train split, moved outwards by a quarter: without
# that margin a set of equally sized images would allow one size only. The median of 50 images from
# the same source lies outside those percentiles less than once in a billion times (binomial).
MARGIN = 1.25
MIN_IMAGES = 50


def median_limits(numeric: statistics_pb2.NumericStatistics) -> tuple[float, float]:
    """Returns the limits that fit a feature of non-negative numbers, from its decile histogram."""
    deciles = next(h for h in numeric.histograms if h.type == statistics_pb2.Histogram.QUANTILES)
    return deciles.buckets[0].high_value / MARGIN, deciles.buckets[-1].low_value * MARGIN


def write_limits(feature: schema_pb2.Feature, at_least: float, at_most: float) -> None:
    """Adds the limits of the median to a feature of a schema."""
    feature.annotation.tag.extend([f"{_AT_LEAST}{at_least:g}", f"{_AT_MOST}{at_most:g}"])


def read_limits(feature: schema_pb2.Feature) -> tuple[float | None, float | None]:
    """Returns the lower and the upper limit of the median; None where the schema sets none.

    Raises:
      ValueError: when a limit is not a number.
    """
    return _read(feature, _AT_LEAST), _read(feature, _AT_MOST)


def _read(feature: schema_pb2.Feature, key: str) -> float | None:
    for tag in feature.annotation.tag:
        if tag.startswith(key):
            try:
                return float(tag.removeprefix(key))
            except ValueError:
                raise ValueError(
                    f'feature {feature.name}: the tag "{tag}" must be {key} and a number, such as {key}20'
                ) from None
    return None
