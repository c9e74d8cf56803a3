"""What a push leaves beside the model, and what it answers."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path

from components import serving_versions
from components.model_identity import Identity
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


@dataclasses.dataclass(frozen=True)
class Parcel:
    """A model to push, and what is to be known of it later.

    Attributes:
      model_dir: local folder with the model's saved_model.pb.
      identity: of the model.
      records: content of each file that goes beside it, by its name in serving_versions.PUSH_RECORDS.
      facts: further keys of its manifest.
      last_look: is called before the model can be seen, and raises when it must not be any more.
    """

    model_dir: Path
    identity: Identity
    records: Mapping[str, bytes]
    facts: Mapping
    last_look: Callable[[], None] = lambda: None

    def manifest(self, version: int) -> bytes:
        """Returns the content of its manifest.json as this version."""
        content = {
            "version": version,
            "labels": serving_versions.read_labels(self.model_dir),
            "pushed_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            **self.facts,
            **self.identity.as_dict(),
        }
        return json.dumps(content, indent=2, ensure_ascii=False).encode()
