"""The numbered model versions of a push destination, seen as TensorFlow Serving sees them.

    DESTINATION/1/saved_model.pb
    DESTINATION/1/assets.extra/headstart/manifest.json            written by the Pusher
    DESTINATION/1/assets.extra/headstart/training_statistics.pb   of the data that it was trained on
    DESTINATION/2/...

Only a folder whose name is a number is a version; whatever else lies beside them is ignored.
The destination is a local folder or an address such as s3://models/shoes. An object store shows a
folder as soon as its first file is there, so there only a folder with a manifest, which the Pusher
writes last, is a version.
The command line reads models through this module, so it imports no TensorFlow.
"""

import hashlib
import json
from pathlib import Path

from modules.storage import Location, StorageError, explained, files_below, is_remote, local_copy, location

PUSH_RECORDS = "assets.extra/headstart"  # what the Pusher adds to a model; not part of the model itself
MANIFEST = f"{PUSH_RECORDS}/manifest.json"
TRAINING_STATISTICS = f"{PUSH_RECORDS}/training_statistics.pb"
VERDICT = f"{PUSH_RECORDS}/verdict.json"  # of the Evaluator, on the test split of the run that pushed it
MODEL_CARD = "assets.extra/headstart.json"  # written by the Trainer: labels, image size, backbone

# tf.saved_model.save writes a random identifier into it, so it differs between equal models.
_FINGERPRINT = "fingerprint.pb"
# Files of every model that the Trainer exports, beside saved_model.pb.
_EXPORTED = ("variables/variables.index", "variables/variables.data-00000-of-00001", MODEL_CARD)


class DamagedModel(ValueError):
    """A model that cannot be used: the message names the folder, what is wrong and what to do."""

    def __init__(self, version_dir: str | Path, damage: str):
        super().__init__(
            f"the model in {version_dir} cannot be used: {damage}. Use another version "
            "(`headstart rollback CONFIG --list` shows them), or remove that folder: then the version before "
            "it serves"
        )
        self.damage = damage


def versions(destination: str | Path) -> dict[int, Location]:
    """Returns the folder of each version by its number, oldest first; empty without a destination folder.

    Raises:
      StorageError: when the destination is an address that cannot be read.
    """
    destination = location(destination)
    if is_remote(destination):
        files = files_below(destination)
        names = {name.partition("/")[0] for name in files}
        names = {name for name in names if f"{name}/{MANIFEST}" in files}
    elif destination.is_dir():
        names = {folder.name for folder in destination.iterdir() if folder.is_dir()}
    else:
        return {}
    return dict(sorted((int(name), destination / name) for name in names if is_number(name)))


def taken_numbers(destination: Path) -> set[int]:
    """Returns the numbers of all that lies in a local destination: versions, but files and links as well."""
    return {int(entry.name) for entry in destination.iterdir() if is_number(entry.name)}


def is_number(name: str) -> bool:
    """True for a name that TensorFlow Serving takes for a version's."""
    return name.isascii() and name.isdigit()


def serving_version(destination: str | Path) -> int | None:
    """Returns the number of the version that serves now, the newest; None when there is none."""
    return max(versions(destination), default=None)


def serving(destination: str | Path) -> tuple[int | None, str | None]:
    """Returns number and folder of the version that serves now; None twice when there is none."""
    found = versions(destination)
    newest = max(found, default=None)
    return newest, None if newest is None else str(found[newest])


def state(destination: str | Path) -> str:
    """Returns a text that changes whenever another model serves: "none", or number and content hash."""
    found = versions(destination)
    if not found:
        return "none"
    newest = max(found)
    try:
        if not has_model(found[newest]):
            return f"{newest} without a model"
        return f"{newest} {version_hash(found[newest])}"
    except StorageError:
        raise
    except OSError as error:  # of one model; the next one can be pushed all the same
        return f"{newest} unreadable: {error.strerror}"


def has_model(version_dir: Location) -> bool:
    """True when a folder holds a SavedModel."""
    with explained(version_dir):
        return (version_dir / "saved_model.pb").is_file()


def version_hash(version_dir: Location) -> str:
    """Returns the content hash of a version: of a remote one what its manifest says, without reading it all.

    Raises:
      FileNotFoundError: when the folder holds no model.
    """
    recorded = read_manifest(version_dir).get("content_hash") if is_remote(version_dir) else None
    return recorded or content_hash(version_dir)


def local_version(version_dir: Location) -> Path:
    """Returns a version as a local folder: a remote one is downloaded to a temporary folder.

    Raises:
      DamagedModel: when there is no model, it cannot be read, or it is not what the manifest speaks of.
      StorageError: when an address cannot be read.
    """
    try:
        if not has_model(version_dir):
            raise DamagedModel(version_dir, "there is no saved_model.pb in it")
        copy = Path(local_copy(version_dir))
        recorded = read_manifest(copy).get("content_hash")
        missing = [name for name in _EXPORTED if not (copy / name).is_file()]
        if recorded and recorded != content_hash(copy):
            damage = (
                f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
                if missing
                else "its files have changed"
            )
            raise DamagedModel(version_dir, f"{damage} since it was pushed")
    except StorageError:
        raise
    except OSError as error:
        raise DamagedModel(version_dir, f"{error.filename or version_dir}: {error.strerror}") from error
    return copy


def read_manifest(version_dir: Location) -> dict:
    """Returns the manifest of a version; empty when there is none, or it is damaged."""
    return _read_json(version_dir / MANIFEST)


def content_hash(saved_model_dir: str | Path) -> str:
    """Returns the SHA-256, hexadecimal, over names and contents of a SavedModel's files.

    What the Pusher adds and the model's random fingerprint are left out: a pushed model has the
    hash of the model that it was copied from.

    Raises:
      FileNotFoundError: when the folder holds no saved_model.pb.
    """
    root = location(saved_model_dir)
    if not has_model(root):
        raise FileNotFoundError(f"no SavedModel in {root}: there is no saved_model.pb")
    digest = hashlib.sha256()
    for name, file in files_below(root).items():
        if name == _FINGERPRINT or name.startswith(PUSH_RECORDS + "/"):
            continue
        with explained(file):
            digest.update(f"{name}\0{file.stat().st_size}\0".encode())
            with file.open("rb") as content:
                while chunk := content.read(1 << 20):
                    digest.update(chunk)
    return digest.hexdigest()


def read_facts(saved_model_dir: str | Path) -> dict:
    """Returns what the Trainer wrote beside a model (see modules.trainer.model_facts); empty without it."""
    return _read_json(location(saved_model_dir) / MODEL_CARD)


def read_labels(saved_model_dir: str | Path) -> list[str] | None:
    """Returns the model's class names in the order of its outputs; None when it does not carry them."""
    return read_facts(saved_model_dir).get("labels")


def _read_json(file: Location) -> dict:
    try:
        with explained(file):
            text = file.read_bytes()
    except StorageError:
        raise
    except OSError:
        return {}
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
