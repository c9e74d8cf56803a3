"""Whether the candidate may serve, and why: plain data for verdict.json."""

import dataclasses
from collections.abc import Iterable
from datetime import datetime, timezone

from components.baseline.chosen import Chosen
from components.evaluator.judgement import Judgement

# 0.84 - 0.85 is -0.010000000000000009 in floating point: a bound that is met exactly must hold.
ROUNDING = 1e-9
CLASSES_NAMED = 5


def verdict(
    analysis: dict, evaluation: dict, baseline: Chosen, data: str, damage: Iterable[str] = ()
) -> dict:
    """Holds the numbers against the settings, and puts the outcome into words.

    Args:
      analysis: as `analysis.analyse` makes it.
      evaluation: the Evaluation settings with the thresholds: metric to bounds.
      baseline: what the candidate was compared with.
      data: fingerprint of the images of this run, see `DataRecord.fingerprint`.
      damage: of the baseline's records, see `BaselineRecords`.

    Returns:
      blessed, reasons (why not, then remarks), metrics, images, compared (see analyse),
      baseline (the fields of Chosen, and metrics), baseline_fall (see fall.py), difference (metric to
      value, low, high; accuracy also p_value), thresholds, data, and the keys of Judgement.
    """
    thresholds, compared = evaluation["thresholds"], analysis["compared"]
    remarks = [f"Of version {baseline.version} a record could not be used: {each}." for each in damage]
    against = baseline
    if compared is not None:
        remarks += not_compared(compared["left_out"], baseline.version)
        if not compared["images"]:
            against = baseline.without_version(
                f"no test image can be compared with version {baseline.version}"
            )
    has_changes = any(set_bounds(bounds, change=True) for bounds in thresholds.values())
    if has_changes and against.version is None:
        remarks.append(
            f"There is no model to compare with ({against.reason}): bounds on changes were not applied."
        )
    failures = [
        sentence
        for metric, bounds in thresholds.items()
        for sentence in broken_bounds(metric, bounds, analysis, baseline)
    ]
    if (fall := analysis["baseline_fall"]) and has_fallen(fall, evaluation, baseline):
        accepted = evaluation["accepted_data"] == data
        (remarks if accepted else failures).append(_fall_sentence(fall, evaluation, baseline, data, accepted))
    if not thresholds and not failures:
        remarks.append("No threshold applies, so every candidate is blessed; set evaluation.thresholds.")
    difference = analysis["difference"] or {}
    if difference:
        accuracy = {**difference["accuracy"], "p_value": analysis["mcnemar"]["p_value"]}
        difference = {**difference, "accuracy": accuracy}
    return {
        "blessed": not failures,
        "reasons": failures + remarks,
        "images": analysis["images"],
        "metrics": analysis["metrics"],
        "compared": compared,
        "baseline": {**dataclasses.asdict(against), "metrics": analysis["baseline"]},
        "baseline_fall": fall,
        "difference": difference,
        "thresholds": thresholds,
        "data": data,
        **dataclasses.asdict(_judgement(analysis)),
    }


def _judgement(analysis: dict) -> Judgement:
    return Judgement(
        by_class={
            row["label"]: [row["right"], row["support"]] for row in analysis["per_class"] if row["support"]
        },
        test_set=analysis["test_set"],
        judged=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    )


def set_bounds(bounds: dict, change: bool) -> dict[str, float]:
    """The bounds that are set: on the change against the baseline, or on the value itself."""
    return {
        name: bound
        for name, bound in bounds.items()
        if bound is not None and name.startswith("change") == change
    }


def broken_bounds(metric: str, bounds: dict, analysis: dict, baseline: Chosen) -> list[str]:
    """One sentence per bound that is not met, such as "accuracy is 0.81, below at_least of 0.9"."""
    sentences = []
    setting = f"evaluation.thresholds.{metric}"
    value = analysis["metrics"][metric]["value"]
    for name, bound in set_bounds(bounds, change=False).items():
        if value is None:
            sentences.append(f"{metric} cannot be computed on this test split, so its threshold is not met.")
        elif not _holds(name, value, bound):
            side = "below" if name == "at_least" else "above"
            sentences.append(f"{metric} is {value:.4f}, {side} {setting}.{name} of {bound:g}.")
    if analysis["difference"] is None:
        return sentences
    images, compared = analysis["compared"]["images"], analysis["compared"]["metrics"][metric]["value"]
    of_baseline, change = analysis["baseline"][metric]["value"], analysis["difference"][metric]["value"]
    where = "" if images == analysis["images"] else f" on the {images} images compared"
    for name, bound in set_bounds(bounds, change=True).items():
        if change is None:
            sentences.append(
                f"{metric} cannot be computed{where or ' on this test split'}, so its threshold is not met."
            )
        elif not _holds(name, change, bound):
            sentences.append(
                f"{metric} is {compared:.4f}{where}, {change:+.4f} against {baseline.name}'s "
                f"{of_baseline:.4f}; {setting}.{name} is {bound:g}."
            )
    return list(dict.fromkeys(sentences))


def _holds(name: str, value: float, bound: float) -> bool:
    return value >= bound - ROUNDING if name.endswith("at_least") else value <= bound + ROUNDING


def not_compared(left_out: dict, version: int) -> list[str]:
    """One sentence per kind of image that candidate and baseline were not compared on."""
    sentences = []
    if count := left_out["trained_on"]:
        sentences.append(
            f"{_images(count)} that version {version} was trained on {_were(count)} not compared with it."
        )
    if counts := left_out["unknown_to_baseline"]:
        sentences.append(
            f"{_of_classes(counts)} that version {version} does not know ({named(counts)}) "
            f"{_were(sum(counts.values()))} not compared with it."
        )
    if counts := left_out["unknown_to_candidate"]:
        sentences.append(
            f"{_of_classes(counts)} that the candidate does not know ({named(counts)}) "
            f"{_were(sum(counts.values()))} not compared with version {version}."
        )
    return sentences


def _images(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _of_classes(counts: dict[str, int]) -> str:
    return f"{_images(sum(counts.values()))} of {len(counts)} class{'' if len(counts) == 1 else 'es'}"


def named(labels) -> str:
    """The first few class names, in quotation marks, and how many there are besides."""
    labels = list(labels)
    shown = ", ".join(repr(label) for label in labels[:CLASSES_NAMED])
    return shown if len(labels) <= CLASSES_NAMED else f"{shown} and {len(labels) - CLASSES_NAMED} more"


def has_fallen(fall: dict, evaluation: dict, baseline: Chosen) -> bool:
    """Whether the baseline is surely right less often than it was, by more than max_baseline_fall.

    Not where the candidate serves already: its own push has settled what the labels mean.
    """
    return baseline.candidate_version is None and fall["low"] > evaluation["max_baseline_fall"] + ROUNDING


def _fall_sentence(fall: dict, evaluation: dict, baseline: Chosen, data: str, accepted: bool) -> str:
    recorded, present = fall["recorded"], fall["present"]
    which = f"version {baseline.version}" + (", which serves," if baseline.serves else "")
    found = (
        f"{which} was right about {_share(recorded)} when it was judged ({recorded['judged']}, test set "
        f"{recorded['test_set']}), and is right about {_share(present)} of the same classes today (test set "
        f"{present['test_set']}, without what it was trained on). That is a fall of at least "
        f"{100 * fall['low']:.1f} points with {100 * evaluation['confidence']:g}% confidence; "
        f"evaluation.max_baseline_fall is {evaluation['max_baseline_fall']:g}"
    )
    if accepted:
        return f"Accepted by evaluation.accepted_data: {found}."
    other = evaluation["accepted_data"]
    other = f" (evaluation.accepted_data is {other}, which is other data)" if other else ""
    return (
        f"The baseline has fallen: {found}. New images may hide relabelled or swapped ones: look at the "
        "weakest classes and surest mistakes in the report, and correct the labels. If they are right, "
        f"accept this data, and no other: --set evaluation.accepted_data={data}{other}."
    )


def _share(counts: dict) -> str:
    return f"{counts['right']} of {_images(counts['images'])} ({counts['right'] / counts['images']:.1%})"
