"""Slices of the test split: by class, by a scalar's text, or by quarters of a number's range."""

import bisect

from modules.features import IMAGE_FORMAT, NUMERIC_SCALARS

SLICEABLE = (*NUMERIC_SCALARS, IMAGE_FORMAT)


def check_slices(names) -> None:
    """Raises ValueError unless every name is a scalar that images can be sliced by."""
    for name in names:
        if name not in SLICEABLE:
            raise ValueError(
                f"evaluation.slices: cannot slice by {name!r}. Use {', '.join(SLICEABLE)}; "
                "classes are always a slice of their own."
            )


def range_of(value: float, quartiles: list[float]) -> str:
    """Names the quarter of the test split that a number lies in, such as "over 120 to 200".

    Args:
      value: a number between the first and the last quartile.
      quartiles: smallest value, the three quartiles, largest value; equal ones are taken together.
    """
    edges = sorted(set(quartiles))
    if len(edges) == 1:
        return f"{edges[0]:.5g}"
    upper = min(max(bisect.bisect_left(edges, value), 1), len(edges) - 1)
    low, high = edges[upper - 1], edges[upper]
    return f"{low:.5g} to {high:.5g}" if upper == 1 else f"over {low:.5g} to {high:.5g}"


def range_start(name: str) -> float:
    """The number that a range's name begins with, to put ranges in order; 0 for other names."""
    try:
        return float(name.removeprefix("over ").split(" ")[0]) + name.startswith("over ") * 1e-9
    except ValueError:
        return 0.0
