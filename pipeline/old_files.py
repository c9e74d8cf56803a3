"""What runs leave in an output beside artifacts: reports, logs, TensorBoard's folders."""

import dataclasses
import re
import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from components.report.publish import HISTORY, PAGE, SUMMARY
from modules.storage import FileFacts, Location, explained, facts_below, is_remote, location

LEAVING_PREFIX = (
    ".removing-"  # what is being removed from a disk; of a removal that was killed, the next one's
)
_TIME = re.compile(r"(\d{8}-\d{6})")  # with which the name of a run on this machine and of a training begins


@dataclasses.dataclass(frozen=True)
class Kind:
    """Something of which each run, or training, leaves one.

    Attributes:
      name: for people.
      folder: in the output.
      is_name: whether an entry of the folder may be one, by its name.
      is_file: whether a file in such an entry is one of ours, by its name below the entry; "" is the entry.
    """

    name: str
    folder: str
    is_name: Callable[[str], object]
    is_file: Callable[[str], object]


REPORT = Kind(
    "report",
    HISTORY,
    lambda name: True,
    re.compile(rf"({PAGE}|{SUMMARY})|\.({PAGE}|{SUMMARY})-\d+").fullmatch,
)
LOG = Kind("log", "logs", re.compile(r"\d{8}-\d{6}\.log").fullmatch, lambda name: not name)
CURVES = Kind(
    "TensorBoard folder",
    "tensorboard",
    re.compile(r"(\d{8}-\d{6}-)?[0-9a-f]{16}").fullmatch,
    re.compile(r"(.*/)?events\.out\.tfevents\.[^/]*").fullmatch,
)
KINDS = (REPORT, LOG, CURVES)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A report, a log or a TensorBoard folder.

    Attributes:
      kind: of it.
      path: of its folder or file.
      byte_size: of all of it.
      began: when the run or training began, by its name; else when it was last written to.
    """

    kind: Kind
    path: Location
    byte_size: int
    began: datetime

    def remove(self) -> None:
        """Removes it so that nobody finds half of it; in an object store its summary goes first."""
        if is_remote(self.path):
            files = sorted(facts_below(self.path), key=lambda name: name != SUMMARY)
            for file in [self.path / name for name in files] or [self.path]:
                with explained(file):
                    file.unlink(missing_ok=True)
        elif self.path.is_dir():
            leaving = self.path
            if not leaving.name.startswith(LEAVING_PREFIX):
                leaving = self.path.rename(self.path.with_name(f"{LEAVING_PREFIX}{self.path.name}"))
            shutil.rmtree(leaving)
        else:
            self.path.unlink(missing_ok=True)


def entries(output: str, kind: Kind) -> tuple[list[Entry], list[Location]]:
    """Returns the entries of a kind, newest first, and what else lies in their folder.

    Raises:
      StorageError: when the output is an address that cannot be read.
    """
    folder = location(output) / kind.folder
    files: dict[str, dict[str, FileFacts]] = {}
    for name, facts in facts_below(folder).items():
        entry, _, rest = name.partition("/")
        files.setdefault(entry, {})[rest] = facts
    found, foreign = [], []
    for name, below in files.items():
        is_leaving = name.startswith(LEAVING_PREFIX)
        own_name = name.removeprefix(LEAVING_PREFIX)
        path = folder / name
        is_link = isinstance(path, Path) and path.is_symlink()
        if is_link or not kind.is_name(own_name) or not all(kind.is_file(file) for file in below):
            foreign.append(path)
            continue
        changed = max(facts.changed for facts in below.values())
        began = datetime.min.replace(tzinfo=timezone.utc) if is_leaving else _time_in(own_name) or changed
        found.append(Entry(kind, path, sum(facts.byte_size for facts in below.values()), began))
    return sorted(found, key=lambda entry: entry.began, reverse=True), foreign


def _time_in(name: str) -> datetime | None:
    begins = _TIME.match(name)
    try:
        return datetime.strptime(begins[1], "%Y%m%d-%H%M%S").replace(tzinfo=timezone.utc) if begins else None
    except ValueError:  # the digits are no date: an id of a run in a cluster
        return None
