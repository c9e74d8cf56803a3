"""What a push leaves beside the model, and what it answers."""

import dataclasses
import json
from datetime import datetime, timezone
from pathlib import Path

from components import serving_versions
from modules.storage import Location


@dataclasses.dataclass(frozen=True)
class Pushed:
    """Where a model lies, and whether it was put there by this push.

    Attributes:
      version: its number.
      path: its folder.
      new: False when the model was serving already.
    """

    version: int
    path: Location
    new: bool


def manifest(version: int, saved_model_dir: Path, content_hash: str, remarks: dict | None) -> str:
    """Returns the text of a version's manifest.json; `remarks` are further keys."""
    content = {
        "version": version,
        "content_hash": content_hash,
        "labels": serving_versions.read_labels(saved_model_dir),
        "pushed_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **(remarks or {}),
    }
    return json.dumps(content, indent=2, ensure_ascii=False)
