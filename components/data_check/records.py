"""Do images have other classes, or other splits, than when an earlier version was made with them?"""

import collections

import numpy as np

from components.data_check.findings import FATAL, NOTICE, Finding
from components.data_record import DataRecord
from modules import features

MIN_KNOWN = 5  # known images of a class from which on it is judged for itself
_PAIRS_NAMED = 5


def relabelled(
    now: DataRecord, before: DataRecord, max_relabelled: float, accepted: str | None, version: int
) -> list[Finding]:
    """Returns a finding when too many known images have another class now.

    Two class folders that were swapped, in all splits, give a model that is right about them by every number:
    only the images themselves tell.

    Args:
      now: of this run.
      before: of the version that is compared with.
      max_relabelled: share of the known images, and of those of any class, then or now, with MIN_KNOWN or
        more of them.
      accepted: fingerprint of data whose labels somebody has looked at.
      version: number of that version.
    """
    labels_now, labels_before = _labels_of_known(now, before)
    changed = labels_now != labels_before
    if not changed.any():
        return []
    pairs = collections.Counter(
        zip(labels_before[changed].tolist(), labels_now[changed].tolist(), strict=True)
    )
    known = collections.Counter(labels_before.tolist())
    too_many = (
        changed.mean() > max_relabelled
        or _is_much_of_a_class(labels_before, changed, max_relabelled)
        or _is_much_of_a_class(labels_now, changed, max_relabelled)
    )
    renames = _renames(pairs, known, now, before)
    said = [f"class {old!r} is named {new!r} now ({_images(count)})" for (old, new), count in renames.items()]
    said += [
        f"{_images(count)} of class {old!r}, of {known[old]} known ones, have class {new!r} now"
        for (old, new), count in (pairs - renames).most_common(_PAIRS_NAMED)
    ]
    if (more := len(pairs - renames) - _PAIRS_NAMED) > 0:
        said.append(f"and {more} more pairs of classes")
    reason = (
        f"{int(changed.sum())} of {len(changed)} images known from version {version} have another class: "
        f"{'; '.join(said)}"
    )
    if not too_many:
        return [Finding(features.LABEL, reason, NOTICE)]
    if accepted == now.fingerprint():
        return [Finding(features.LABEL, f"{reason}. Accepted by validation.accepted_data", NOTICE)]
    accept = (
        f"validation.max_relabelled is {max_relabelled:g}, over all and within each class. If the new "
        f"classes are right: --set validation.accepted_data={now.fingerprint()}, good for this data alone"
    )
    return [Finding(features.LABEL, f"{reason}. {accept}", FATAL)]


def _is_much_of_a_class(labels: np.ndarray, changed: np.ndarray, share: float) -> bool:
    """True when more than a share of the known images of any class have changed theirs."""
    known, moved = collections.Counter(labels.tolist()), collections.Counter(labels[changed].tolist())
    return any(known[label] >= MIN_KNOWN and moved[label] > share * known[label] for label in moved)


def renamed_classes(now: DataRecord, before: DataRecord) -> dict[str, str]:
    """Returns the classes that have another name now, and are the same otherwise: {old name: new name}."""
    labels_now, labels_before = _labels_of_known(now, before)
    pairs = collections.Counter(zip(labels_before.tolist(), labels_now.tolist(), strict=True))
    known = collections.Counter(labels_before.tolist())
    return dict(_renames(pairs, known, now, before).keys())


def overlap(now: DataRecord, before: DataRecord, max_overlap: float, version: int) -> list[Finding]:
    """Returns a finding when images of the test split are among those that a model was trained with.

    On them the model of before looks better than it is, and a better candidate is refused. Eval images count
    as trained with: they decided when training stopped.

    Args:
      now: of this run.
      before: of the version that is compared with.
      max_overlap: allowed share of the test split.
      version: number of that version.
    """
    test = now.hashes_of(features.TEST_SPLIT)
    seen = np.isin(test, before.hashes_of(features.TRAIN_SPLIT, features.EVAL_SPLIT)).sum()
    if not seen:
        return []
    reason = (
        f"{int(seen)} of {len(test)} images of the test split ({seen / len(test):.1%}) were among those that "
        f"version {version} was trained with"
    )
    if seen <= max_overlap * len(test):
        return [Finding("data", f"{reason}; they are left out of the comparison with it", NOTICE)]
    allowed = (
        f"validation.max_overlap allows {max_overlap:.0%}, as the comparison with it would rest on the "
        "others alone. Move the images back, or raise validation.max_overlap"
    )
    return [Finding("data", f"{reason}. {allowed}", FATAL)]


def _labels_of_known(now: DataRecord, before: DataRecord) -> tuple[np.ndarray, np.ndarray]:
    """Returns the classes, now and before, of the images that both records hold."""
    _, in_now, in_before = np.intersect1d(
        now.content_hash, before.content_hash, assume_unique=True, return_indices=True
    )
    return now.label[in_now], before.label[in_before]


def _renames(
    pairs: collections.Counter, known: collections.Counter, now: DataRecord, before: DataRecord
) -> collections.Counter:
    """Returns the pairs of a class that is gone and a class that is new, which took over its images.

    Most of them must still be there, and MIN_KNOWN at least: a few do not tell a rename from a removal.
    """
    recorded = collections.Counter(before.label.tolist())
    gone = set(before.label.tolist()) - set(now.label.tolist())
    new = set(now.label.tolist()) - set(before.label.tolist())
    sources = collections.Counter(new_name for _, new_name in pairs)
    return collections.Counter(
        {
            (old_name, new_name): count
            for (old_name, new_name), count in pairs.items()
            if old_name in gone
            and new_name in new
            and count == known[old_name]
            and count >= max(MIN_KNOWN, recorded[old_name] / 2)
            and sources[new_name] == 1
        }
    )


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"
