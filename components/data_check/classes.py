"""Are the classes the ones that the schema and the serving model know, each with images?"""

from collections.abc import Mapping

from components.data_check.findings import ANOMALY, FATAL, NOTICE, Finding
from modules import features


def empty_splits(counts: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Returns a fatal finding for each split without images.

    Args:
      counts: images by class, by split.
    """
    return [
        Finding("data", f"the {split} split has no image; give it some, or change data.splits", FATAL)
        for split in features.SPLITS
        if not sum(counts[split].values())
    ]


def unknown_classes(counts: Mapping[str, Mapping[str, int]], schema_classes: list[str]) -> list[Finding]:
    """Returns a finding for each class that the schema does not name."""
    findings = []
    for split in features.SPLITS:
        for name, images in counts[split].items():
            if schema_classes and name not in schema_classes:
                reason = (
                    f"new class {name!r}: {_images(images)} in the {split} split, but the schema, "
                    "which by default holds the classes of the train split, does not name it"
                )
                findings.append(Finding(features.LABEL, reason))
    return findings


def classes_without_images(
    counts: Mapping[str, Mapping[str, int]], schema_classes: list[str]
) -> list[Finding]:
    """Returns a finding for each class of the schema that the train or the test split has no image of.

    A class that cannot be learned is an anomaly. One that cannot be judged is a notice: a small class
    may miss the test split by chance.
    """
    findings = []
    for name in schema_classes:
        if not counts[features.TRAIN_SPLIT].get(name):
            reason = f"missing class {name!r}: the schema names it, the train split has no image of it"
            findings.append(Finding(features.LABEL, reason, ANOMALY))
        if not counts[features.TEST_SPLIT].get(name):
            reason = f"class {name!r} has no image in the test split, so nothing can be said about it"
            findings.append(Finding(features.LABEL, reason, NOTICE))
    return findings


def class_changes(
    now: Mapping[str, int], before: Mapping[str, int], version: int, renamed: Mapping[str, str]
) -> list[Finding]:
    """Returns a finding for each class that came or went since a version was trained.

    Args:
      now: images of the train split, by class.
      before: images that the version was trained on, by class.
      version: its number.
      renamed: {old name: new name} of classes that only have another name, which `records` reports.
    """
    origin = f"the data of version {version}"
    new = [
        Finding(features.LABEL, f"new class {name!r}: {_images(now[name])} now, none in {origin}")
        for name in sorted(now.keys() - before.keys() - set(renamed.values()))
    ]
    missing = [
        Finding(features.LABEL, f"missing class {name!r}: no image now, {before[name]} in {origin}")
        for name in sorted(before.keys() - now.keys() - renamed.keys())
    ]
    return new + missing


def class_share_drift(
    now: Mapping[str, int], before: Mapping[str, int], max_drift: float, version: int
) -> list[Finding]:
    """Returns a finding when a class' share changed by more than allowed (L-infinity distance)."""
    shares_now, shares_before = _shares(now), _shares(before)
    change = {
        name: abs(shares_now.get(name, 0.0) - shares_before.get(name, 0.0))
        for name in sorted(shares_now.keys() | shares_before.keys())
    }
    name = max(change, key=change.get)
    if change[name] <= max_drift:
        return []
    reason = (
        f"the share of class {name!r} is {shares_now.get(name, 0.0):.1%} now, "
        f"{shares_before.get(name, 0.0):.1%} in the data of version {version} "
        f"(L-infinity distance {change[name]:.2f}, allowed {max_drift:g})"
    )
    return [Finding(features.LABEL, reason)]


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {name: images / total for name, images in counts.items()}


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"
