"""Does what the exported model answered agree with the Trainer, within the budgets?"""

import dataclasses
import math
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Budgets:
    """The settings under `infra_check` of a config, see pipeline/config.py."""

    images: int
    tolerance: float
    max_latency_ms: float
    max_memory_mb: float
    timeout_seconds: float


@dataclasses.dataclass(frozen=True)
class Reference:
    """The Trainer's own outputs for images of the test split.

    Attributes:
      labels: class names, in the order of the columns of the probabilities.
      probabilities: float32 [classes] by content hash of the image.
    """

    labels: list[str]
    probabilities: dict[str, np.ndarray]


def judge(
    answers: dict[str, Any], content_hashes: list[str], reference: Reference, budgets: Budgets
) -> dict[str, Any]:
    """Returns the content of verdict.json for a probe that came to its end.

    Args:
      answers: what probe.py wrote.
      content_hashes: of the images, in the order in which they were answered.
      reference: what the answers must agree with, for at least one of the images.
      budgets: largest allowed values.
    """
    reasons = []
    wrong_classes = _wrong_classes(answers["single"] + answers["batch"], reference.labels)
    if wrong_classes:
        reasons.append(wrong_classes)
        max_difference, compared = None, 0
    else:
        max_difference, compared = largest_difference(answers, content_hashes, reference)
        if not compared:
            reasons.append("none of the images is among the Trainer's reference outputs")
        elif not max_difference <= budgets.tolerance:  # NaN must fail too
            reasons.append(
                f"the probabilities differ from the Trainer's by up to {max_difference:.2g}, "
                f"allowed {budgets.tolerance:g}"
            )
    latencies_ms = {
        "median": float(np.median(answers["latencies_ms"])),
        "p95": float(np.percentile(answers["latencies_ms"], 95)),
        "first": answers["first_ms"],
        "batch": answers["batch_ms"],
    }
    if latencies_ms["median"] > budgets.max_latency_ms:
        reasons.append(
            f"one image takes {latencies_ms['median']:.4g} ms (median of {len(content_hashes)}), "
            f"allowed {budgets.max_latency_ms:g} ms"
        )
    if answers["memory_mb"] > budgets.max_memory_mb:
        reasons.append(
            f"serving takes {answers['memory_mb']:.4g} MB of memory at its peak, "
            f"allowed {budgets.max_memory_mb:g} MB"
        )
    finite = max_difference is not None and math.isfinite(max_difference)
    return {
        "ok": not reasons,
        "reasons": reasons,
        "latency_ms": latencies_ms,
        "load_seconds": answers["load_seconds"],
        "memory_mb": answers["memory_mb"],
        "max_difference": max_difference if finite else None,
        "images": len(content_hashes),
        "compared_images": compared,
        "budgets": dataclasses.asdict(budgets),
    }


def failed(reason: str, budgets: Budgets) -> dict[str, Any]:
    """Returns the content of verdict.json for a model that gave no answers."""
    return {
        "ok": False,
        "reasons": [reason],
        "latency_ms": None,
        "load_seconds": None,
        "memory_mb": None,
        "max_difference": None,
        "images": 0,
        "compared_images": 0,
        "budgets": dataclasses.asdict(budgets),
    }


def largest_difference(
    answers: dict[str, Any], content_hashes: list[str], reference: Reference
) -> tuple[float, int]:
    """Returns the largest difference of a probability, and the number of images that could be compared.

    Answers to an image alone and within the batch both count. The difference is NaN when any probability is.
    """
    differences = []
    for single, batch, content_hash in zip(answers["single"], answers["batch"], content_hashes, strict=True):
        if content_hash not in reference.probabilities:
            continue
        served = np.array([[answer[label] for label in reference.labels] for answer in (single, batch)])
        differences.append(np.abs(served - reference.probabilities[content_hash]).max())
    return (float(np.max(differences)), len(differences)) if differences else (math.nan, 0)


def _wrong_classes(rows: list[dict[str, float]], labels: list[str]) -> str | None:
    for row in rows:
        if row.keys() != set(labels):
            return f"the model answers with the classes {sorted(row)}, it was trained on {sorted(labels)}"
    return None
