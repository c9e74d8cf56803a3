"""Which version in the push destination the candidate is compared with."""

from pathlib import Path
from typing import NamedTuple

from components import serving_versions
from components.baseline.graph import damage, read_saved_model, signatures, unknown_to_this_tensorflow
from components.serving_versions import DamagedModel
from modules.storage import Location, StorageError, explained

EVALUATED_SIGNATURE = "serving_default"


class Choice(NamedTuple):
    """What the candidate is compared with."""

    version: int | None
    reason: str
    folder: Path | None = None
    """Of the version's model, on this machine; None without a version."""


def choose_baseline(candidate_dir: str | Path, destination: str | Path) -> Choice:
    """Returns the newest version that the candidate can be compared with, if there is any, and why.

    A version that is the candidate itself is passed over: the comparison would say nothing. So is one that
    is damaged: the model that replaces it must not have to wait for it.

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
        return Choice(None, f"no model serves from {destination} yet")
    passed_over = []
    for version in sorted(versions, reverse=True):
        try:
            obstacle = _obstacle(versions[version], candidate_hash, labels)
            if obstacle is None:
                folder = serving_versions.local_version(versions[version])
                if damaged := damage(folder):
                    raise DamagedModel(folder, damaged)
                reason = "; ".join(["it is the newest comparable one", *passed_over])
                return Choice(version, reason, folder)
        except StorageError:
            raise
        except DamagedModel as error:
            obstacle = f"is damaged: {error.damage}"
        except OSError as error:
            obstacle = f"cannot be read: {error.strerror}"
        passed_over.append(f"version {version} {obstacle}")
    return Choice(None, "; ".join(passed_over))


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
