"""What Baseline says about the version that the candidate is compared with: baseline.json."""

import dataclasses
import json

from modules.storage import Location, explained, location

FILE_NAME = "baseline.json"


@dataclasses.dataclass(frozen=True)
class Chosen:
    """The version that the candidate is compared with, and why.

    Attributes:
      version: its number; None when there is nothing to compare with.
      reason: why this one, or why none, and which newer ones were passed over.
      serves: whether it is the newest of the push destination, which serves.
      candidate_version: a newer version that is the candidate itself; None for a candidate that is new.
    """

    version: int | None
    reason: str
    serves: bool = False
    candidate_version: int | None = None

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return "the serving model" if self.serves else f"version {self.version}"

    def without_version(self, reason: str) -> "Chosen":
        """Returns what is left when the version cannot be compared with after all."""
        return dataclasses.replace(self, version=None, reason=reason, serves=False)

    @classmethod
    def read(cls, folder: "str | Location") -> "Chosen":
        """Reads FILE_NAME of a folder."""
        file = location(folder) / FILE_NAME
        with explained(file):
            return cls(**json.loads(file.read_text(encoding="utf-8")))

    def write(self, folder: "str | Location") -> None:
        """Writes FILE_NAME into a folder that exists."""
        file = location(folder) / FILE_NAME
        with explained(file):
            text = json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False)
            file.write_text(text, encoding="utf-8")
