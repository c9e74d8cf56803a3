"""What a candidate must reach to be blessed: bounds a metric, as a config gives them or a person types them.

The command line reads configs through this module, so it imports no TensorFlow.
"""

import json
from typing import Annotated, Literal, Optional

from pydantic import AfterValidator, TypeAdapter, ValidationError, model_validator

from modules.settings import settings

MetricName = Literal[
    "accuracy", "balanced_accuracy", "top_k_accuracy", "cross_entropy", "auc", "calibration_error"
]
LESS_IS_BETTER = ("cross_entropy", "calibration_error")


@settings
class Threshold:
    at_least: Optional[float] = None
    """Lower bound of the metric on the test split."""
    at_most: Optional[float] = None
    """Upper bound of the metric on the test split."""
    change_at_least: Optional[float] = None
    """Smallest allowed difference, candidate minus baseline, on the images that both are compared on; negative allows a loss. For metrics where more is better."""
    change_at_most: Optional[float] = None
    """Largest allowed difference, candidate minus baseline, on the images that both are compared on. For metrics where less is better."""

    @model_validator(mode="after")
    def check_bounds(self):
        if {self.at_least, self.at_most, self.change_at_least, self.change_at_most} == {None}:
            raise ValueError("give a bound: at_least, at_most, change_at_least or change_at_most")
        return self


def check_thresholds(thresholds: dict[MetricName, Threshold]) -> dict[MetricName, Threshold]:
    """Returns the thresholds unchanged when a good model can reach each of them.

    Raises:
      ValueError: for a bound on the wrong side (a higher accuracy must never be refused), or one
        that lies outside the metric's range.
    """
    for metric, threshold in thresholds.items():
        if metric in LESS_IS_BETTER:
            wrong = {"at_least": "at_most", "change_at_least": "change_at_most"}
            reason = "less is better"
        else:
            wrong = {"at_most": "at_least", "change_at_most": "change_at_least"}
            reason = "more is better"
        for bound, right_bound in wrong.items():
            if getattr(threshold, bound) is not None:
                raise ValueError(
                    f"{metric}: {reason}, so {bound} would refuse good models; use {right_bound}"
                )
        if metric == "cross_entropy":  # the one metric that has no upper end
            continue
        for bound, low in (("at_least", 0), ("at_most", 0), ("change_at_least", -1), ("change_at_most", -1)):
            value = getattr(threshold, bound)
            if value is not None and not low <= value <= 1:
                raise ValueError(f"{metric}: {bound} must lie between {low} and 1 (a share, not percent)")
    return thresholds


# For what pydantic says in Python's words, of a text that is JSON to the person who typed it.
_WORDS = {
    "unexpected_keyword_argument": "unknown bound; use at_least, at_most, change_at_least or change_at_most",
    "dict_type": "must be an object that gives each metric its bounds",
    "dataclass_type": "must be an object with bounds, such as at_least",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
}

Thresholds = Annotated[dict[MetricName, Threshold], AfterValidator(check_thresholds)]


def parse_thresholds(text: str) -> dict[str, dict]:
    """Reads thresholds from JSON, as the config's `evaluation.thresholds` would be written in it.

    In a cluster the text is a parameter of the run that a person may type.

    Returns:
      {metric: {bound: number or None}}, all four bounds for each metric that is named.

    Raises:
      ValueError: with one line that says what is wrong, what was received and what is allowed.
    """
    adapter = TypeAdapter(Thresholds)
    try:
        return adapter.dump_python(adapter.validate_python(json.loads(text)), mode="json")
    except json.JSONDecodeError as error:
        wrong = f"it is not JSON ({error.msg} at character {error.pos + 1})"
    except ValidationError as error:
        wrong = "; ".join(_in_words(found) for found in error.errors())
    raise ValueError(
        f"thresholds: {wrong}. Received {text!r}. Give JSON such as "
        '{"accuracy": {"at_least": 0.8, "change_at_least": -0.01}}, or {} for none; metrics are '
        f"{', '.join(MetricName.__args__)}"
    )


def _in_words(found: dict) -> str:
    place = [str(part) for part in found["loc"] if part != "[key]"]
    if "[key]" in found["loc"]:
        return f"unknown metric {found['input']!r}"
    message = _WORDS.get(found["type"], found["msg"].removeprefix("Value error, "))
    return f"{'.'.join(place)}: {message}" if place else message
