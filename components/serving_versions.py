"""The numbered model versions of a push destination, seen as TensorFlow Serving sees them.

    DESTINATION/1/saved_model.pb
    DESTINATION/1/assets.extra/headstart/manifest.json            written by the Pusher
    DESTINATION/1/assets.extra/headstart/training_statistics.pb   of the data that it was trained on
    DESTINATION/2/...

Only a folder whose name is a number is a version; whatever else lies beside them is ignored.
The command line reads models through this module, so it imports no TensorFlow.
"""

import hashlib
import json
from pathlib import Path

PUSH_RECORDS = "assets.extra/headstart"  # what the Pusher adds to a model; not part of the model itself
MANIFEST = f"{PUSH_RECORDS}/manifest.json"
TRAINING_STATISTICS = f"{PUSH_RECORDS}/training_statistics.pb"
MODEL_CARD = "assets.extra/headstart.json"  # written by the Trainer: labels, image size, backbone

# tf.saved_model.save writes a random identifier into it, so it differs between equal models.
_FINGERPRINT = "fingerprint.pb"


def versions(destination: str | Path) -> dict[int, Path]:
    """Returns the folder of each version by its number, oldest first; empty without a destination folder."""
    destination = Path(destination)
    if not destination.is_dir():
        return {}
    numbered = {
        int(folder.name): folder
        for folder in destination.iterdir()
        if folder.name.isascii() and folder.name.isdigit() and folder.is_dir()
    }
    return dict(sorted(numbered.items()))


def serving_version(destination: str | Path) -> int | None:
    """Returns the number of the version that serves now, the newest; None when there is none."""
    return max(versions(destination), default=None)


def state(destination: str | Path) -> str:
    """Returns a text that changes whenever another model serves: "none", or number and content hash."""
    found = versions(destination)
    if not found:
        return "none"
    newest = max(found)
    if not (found[newest] / "saved_model.pb").is_file():
        return f"{newest} without a model"
    return f"{newest} {content_hash(found[newest])}"


def content_hash(saved_model_dir: str | Path) -> str:
    """Returns the SHA-256, hexadecimal, over names and contents of a SavedModel's files.

    What the Pusher adds and the model's random fingerprint are left out: a pushed model has the
    hash of the model that it was copied from.

    Raises:
      FileNotFoundError: when the folder holds no saved_model.pb.
    """
    root = Path(saved_model_dir)
    if not (root / "saved_model.pb").is_file():
        raise FileNotFoundError(f"no SavedModel in {root}: there is no saved_model.pb")
    digest = hashlib.sha256()
    for file in sorted(file for file in root.rglob("*") if file.is_file()):
        name = file.relative_to(root).as_posix()
        if name == _FINGERPRINT or name.startswith(PUSH_RECORDS + "/"):
            continue
        digest.update(f"{name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as content:
            while chunk := content.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def read_labels(saved_model_dir: str | Path) -> list[str] | None:
    """Returns the model's class names in the order of its outputs; None when it does not carry them."""
    try:
        return json.loads((Path(saved_model_dir) / MODEL_CARD).read_text(encoding="utf-8"))["labels"]
    except (FileNotFoundError, KeyError):
        return None
