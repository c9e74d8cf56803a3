"""Whether the candidate may serve, and why: plain data for verdict.json."""

import tensorflow_model_analysis as tfma

FILE_NAME = "verdict.json"
_BOUNDS = ("at_least", "at_most", "change_at_least", "change_at_most")


def verdict(analysis: dict, validation, thresholds: dict, baseline: dict) -> dict:
    """Puts TFMA's validation result and the numbers into words.

    Args:
      analysis: as `analysis.analyse` makes it.
      validation: tfma.ValidationResult of the same predictions, or None without any threshold.
      thresholds: the settings: metric to bounds.
      baseline: {"version", "reason"} of the serving model that was compared with; version None for none.

    Returns:
      blessed, reasons (why not, or remarks when blessed), metrics, baseline ({"version", "reason",
      "metrics"}), difference (metric to value, low, high; accuracy also p_value), images.
    """
    compared = analysis["difference"] is not None
    reasons = failures(validation, thresholds, analysis) if validation is not None else []
    blessed = validation is None or validation.validation_ok
    if validation is None:
        reasons.append("No threshold applies, so every candidate is blessed; set evaluation.thresholds.")
    if not compared and any(is_set(bounds, change=True) for bounds in thresholds.values()):
        why = f" ({baseline['reason']})" if baseline.get("reason") else ""
        reasons.append(f"There is no serving model to compare with{why}: bounds on changes were not applied.")
    difference = analysis["difference"] or {}
    if compared:
        accuracy = {**difference["accuracy"], "p_value": analysis["mcnemar"]["p_value"]}
        difference = {**difference, "accuracy": accuracy}
    return {
        "blessed": bool(blessed),
        "reasons": reasons,
        "images": analysis["images"],
        "metrics": analysis["metrics"],
        "baseline": {**baseline, "metrics": analysis["baseline"]},
        "difference": difference,
    }


def is_set(bounds: dict, change: bool) -> bool:
    """Whether any bound is set: on the change against the serving model, or on the value itself."""
    return any(bounds.get(name) is not None for name in _BOUNDS if name.startswith("change") == change)


def applies(thresholds: dict, has_baseline: bool) -> bool:
    """Whether there is any bound to check."""
    return any(
        is_set(bounds, change=False) or (has_baseline and is_set(bounds, change=True))
        for bounds in thresholds.values()
    )


def failures(validation, thresholds: dict, analysis: dict) -> list[str]:
    """One sentence a bound that TFMA found broken, such as "accuracy is 0.81, below at_least 0.9"."""
    sentences = []
    for in_slice in validation.metric_validations_per_slice:
        for failure in in_slice.failures:
            name = failure.metric_key.name.removesuffix("_diff")
            sentences.append(_sentence(name, failure, thresholds[name], analysis))
    if not validation.validation_ok and not sentences:
        sentences.append(f"TFMA could not validate the candidate: {validation.missing_slices or validation}")
    return sentences


def _sentence(name: str, failure, bounds: dict, analysis: dict) -> str:
    value, threshold = analysis["metrics"][name]["value"], failure.metric_threshold
    if value is None:
        return f"{name} cannot be computed on this test split, so its threshold is not met."
    if threshold.HasField("change_threshold"):
        higher_is_better = threshold.change_threshold.direction == tfma.MetricDirection.HIGHER_IS_BETTER
        bound = "change_at_least" if higher_is_better else "change_at_most"
        change, baseline = analysis["difference"][name]["value"], analysis["baseline"][name]["value"]
        return (
            f"{name} is {value:.4f}, {change:+.4f} against the serving model's {baseline:.4f}; "
            f"evaluation.thresholds.{name}.{bound} is {bounds[bound]:g}."
        )
    below = threshold.value_threshold.HasField("lower_bound")
    bound, side = ("at_least", "below") if below else ("at_most", "above")
    return f"{name} is {value:.4f}, {side} evaluation.thresholds.{name}.{bound} of {bounds[bound]:g}."
