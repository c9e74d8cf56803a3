"""What the statistics say about the images' scalars, as rows of a table."""

from modules.features import NUMERIC_SCALARS


def scalar_rows(statistics_by_split: dict) -> list[dict]:
    """One row a scalar: {"name", "splits": {split: {"min", "median", "mean", "max"}}}.

    Args:
      statistics_by_split: split to DatasetFeatureStatisticsList.
    """
    rows = []
    for name in NUMERIC_SCALARS:
        splits = {}
        for split, statistics in statistics_by_split.items():
            for feature in statistics.datasets[0].features:
                if list(feature.path.step) == [name]:
                    numbers = feature.num_stats
                    splits[split] = {
                        "min": numbers.min,
                        "median": numbers.median,
                        "mean": numbers.mean,
                        "max": numbers.max,
                    }
        if splits:
            rows.append({"name": name, "splits": splits})
    return rows
