"""Which version in the push destination the candidate is compared with."""

from pathlib import Path

from components import serving_versions
from components.baseline.graph import read_saved_model, signatures, unknown_to_this_tensorflow
from modules.storage import Location, explained

EVALUATED_SIGNATURE = "serving_default"


def choose_baseline(candidate_dir: str | Path, destination: str | Path) -> tuple[int | None, str]:
    """Returns the newest version that the candidate can be compared with, or None, and why.

    A version that is the candidate itself is passed over: the comparison would say nothing.

    Raises:
      ValueError: when the candidate does not carry its class names.
    """
    labels = serving_versions.read_labels(candidate_dir)
    if labels is None:
        raise ValueError(
            f"the model in {candidate_dir} has no class names in {serving_versions.MODEL_CARD}; "
            "the Trainer writes them when it exports a model"
        )
    candidate_hash = serving_versions.content_hash(candidate_dir)
    versions = serving_versions.versions(destination)
    if not versions:
        return None, f"no model serves from {destination} yet"
    passed_over = []
    for version in sorted(versions, reverse=True):
        obstacle = _obstacle(versions[version], candidate_hash, labels)
        if obstacle is None:
            return version, "; ".join(["it is the newest comparable one", *passed_over])
        passed_over.append(f"version {version} {obstacle}")
    return None, "; ".join(passed_over)


def _obstacle(version_dir: Location, candidate_hash: str, candidate_labels: list[str]) -> str | None:
    """Returns why a version cannot be compared with the candidate; None when it can."""
    if not serving_versions.has_model(version_dir):
        return "holds no SavedModel"
    if serving_versions.version_hash(version_dir) == candidate_hash:
        return "is the candidate itself, byte for byte"
    with explained(version_dir):
        saved_model = read_saved_model(version_dir)
    if EVALUATED_SIGNATURE not in signatures(saved_model):
        return f"has no signature {EVALUATED_SIGNATURE}"
    labels = serving_versions.read_labels(version_dir)
    if labels is None:
        return "does not say which classes it knows"
    missing, extra = sorted(set(candidate_labels) - set(labels)), sorted(set(labels) - set(candidate_labels))
    if missing or extra:
        differences = [f"lacks {_names(missing)}"] * bool(missing) + [f"also has {_names(extra)}"] * bool(
            extra
        )
        return f"knows other classes: it {' and '.join(differences)}"
    return unknown_to_this_tensorflow(saved_model)


def _names(labels: list[str]) -> str:
    shown = ", ".join(repr(label) for label in labels[:5])
    return shown if len(labels) <= 5 else f"{shown} and {len(labels) - 5} more"
