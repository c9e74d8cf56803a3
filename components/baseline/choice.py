"""Which version in the push destination the candidate is compared with."""

from collections.abc import Iterable
from pathlib import Path

from components import serving_versions
from components.baseline.chosen import Chosen
from components.baseline.graph import damage, read_saved_model, signatures, unknown_to_this_tensorflow
from components.model_identity import Identity
from components.pusher import history, withdrawals
from components.pusher.history import Version
from components.pusher.withdrawals import Withdrawal
from components.serving_versions import DamagedModel
from modules.storage import StorageError, explained

EVALUATED_SIGNATURE = "serving_default"
MOST_PASSED_OVER = 3  # versions that the reason names; the newest say what is wrong now
ITSELF = "is the candidate itself"


def choose_baseline(candidate_dir: str | Path, destination: str | Path) -> tuple[Chosen, Path | None]:
    """Returns the newest version that the candidate can be compared with, and its model on this machine.

    A version that is the candidate itself is passed over: the comparison would say nothing. So is one that
    was rolled back, and one that is damaged: the model that replaces it must not have to wait for it. Other
    classes are no obstacle as long as one is shared.

    Raises:
      ValueError: when the candidate does not carry its class names.
    """
    labels = serving_versions.read_labels(candidate_dir)
    if labels is None:
        raise ValueError(
            f"the model in {candidate_dir} has no class names in {serving_versions.MODEL_CARD}; "
            "the Trainer writes them when it exports a model"
        )
    candidate = Identity.of_model(candidate_dir, data=None)
    versions = history.read(destination)
    if not versions:
        return Chosen(None, f"no model serves from {destination} yet"), None
    withdrawn = withdrawals.read(destination).values()
    passed_over, candidate_version = [], None
    for version in reversed(versions):
        try:
            obstacle = _obstacle(version, candidate, labels, withdrawn)
            if obstacle is None:
                folder = serving_versions.local_version(version.path)
                if damaged := damage(folder):
                    raise DamagedModel(folder, damaged)
                serves = version is versions[-1]
                why = ["it serves" if serves else "it is the newest comparable one"]
                why += _differences(labels, serving_versions.read_labels(folder))
                reason = "; ".join(why + _first(passed_over))
                return Chosen(version.number, reason, serves, candidate_version), folder
            if obstacle == ITSELF and candidate_version is None:
                candidate_version = version.number
        except StorageError:
            raise
        except DamagedModel as error:
            obstacle = f"is damaged: {error.damage}"
        except OSError as error:
            obstacle = f"cannot be read: {error.strerror}"
        passed_over.append(f"version {version.number} {obstacle}")
    return Chosen(None, "; ".join(_first(passed_over)), candidate_version=candidate_version), None


def _first(passed_over: list[str]) -> list[str]:
    left = len(passed_over) - MOST_PASSED_OVER
    return passed_over[:MOST_PASSED_OVER] + [f"and {left} older ones were passed over"] * (left > 0)


def _obstacle(
    version: Version, candidate: Identity, candidate_labels: list[str], withdrawn: Iterable[Withdrawal]
) -> str | None:
    """Returns why a version cannot be compared with the candidate; None when it can."""
    if not serving_versions.has_model(version.path):
        return "holds no SavedModel"
    if candidate.equals(history.present_identity(version)):
        return ITSELF
    if withdrawals.is_withdrawn(version, withdrawn):
        return "was rolled back"
    with explained(version.path):
        saved_model = read_saved_model(version.path)
    if EVALUATED_SIGNATURE not in signatures(saved_model):
        return f"has no signature {EVALUATED_SIGNATURE}"
    labels = serving_versions.read_labels(version.path)
    if labels is None:
        return "does not say which classes it knows"
    if not set(labels) & set(candidate_labels):
        return f"shares no class with the candidate: it knows {_names(labels)}"
    return unknown_to_this_tensorflow(saved_model)


def _differences(candidate_labels: list[str], labels: list[str]) -> list[str]:
    missing, extra = sorted(set(candidate_labels) - set(labels)), sorted(set(labels) - set(candidate_labels))
    found = [f"lacks {_names(missing)}"] * bool(missing) + [f"also has {_names(extra)}"] * bool(extra)
    return [f"it knows other classes: it {' and '.join(found)}"] if found else []


def _names(labels: list[str]) -> str:
    shown = ", ".join(repr(label) for label in labels[:5])
    return shown if len(labels) <= 5 else f"{shown} and {len(labels) - 5} more"
