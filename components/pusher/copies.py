"""The mark that a mirror leaves in each of its copies: of what it is a copy, and the hashes of its files.

    FOLDER/3/assets.extra/headstart/mirrored.json   {"source": ADDRESS, "files": {NAME: HASH}}

It lies among the Pusher's records, so it is no part of the model, and a push of the copy leaves it out.
"""

import dataclasses
import json
from pathlib import Path

from components import serving_versions
from modules.file_hash import file_hash
from modules.storage import Location, files_below

MARK = f"{serving_versions.PUSH_RECORDS}/mirrored.json"


@dataclasses.dataclass(frozen=True)
class Mark:
    """Says that a folder is a mirror's copy of a version.

    Attributes:
      source: what it was copied from, see `components.mirror_places.source_name`.
      files: hash of each file by its relative name, without the mark itself.
    """

    source: str
    files: dict[str, str]

    @classmethod
    def of(cls, copy: Path, source: str) -> "Mark":
        """Returns the mark of a copy that is whole now."""
        return cls(source, {name: file_hash(copy / name) for name in file_names(copy)})

    @classmethod
    def read(cls, copy: Path) -> "Mark | None":
        """Returns the mark that lies in a folder; None when there is none, or it is damaged."""
        try:
            content = json.loads((copy / MARK).read_bytes())
            return cls(str(content["source"]), dict(content["files"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, copy: Path) -> None:
        (copy / MARK).parent.mkdir(parents=True, exist_ok=True)
        (copy / MARK).write_text(json.dumps(dataclasses.asdict(self), indent=2), encoding="utf-8")

    def damage(self, copy: Path) -> str | None:
        """Reads all files of a copy; returns what is wrong with the first that has changed, or None."""
        for name, recorded in self.files.items():
            try:
                if file_hash(copy / name) != recorded:
                    return f"{name} has changed"
            except FileNotFoundError:
                return f"{name} is missing"
            except OSError as error:
                return f"{name} cannot be read: {error.strerror}"
        return None


def file_names(folder: Location) -> list[str]:
    """Returns the relative names of a version's files, without the mark."""
    return [name for name in files_below(folder) if name != MARK]


def file_times(copy: Path) -> dict[str, tuple[int, int, int]]:
    """Returns size and times of a version's files: as long as they stay, nobody has written to them."""
    times = {}
    for name, file in files_below(copy).items():
        found = file.stat()
        times[name] = (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return times
