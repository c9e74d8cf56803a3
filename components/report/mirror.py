"""Keeps a local copy of the reports of an output folder, for a web server beside it.

The newest report of an output is also its state: from its summary.json the next run knows what it need not do
again. So a report is replaced only where the mirror wrote it, or where the source has it as well.

    FOLDER/.mirrored.json   {"source": ADDRESS, "written": [HASH, ...]}, of report.html and summary.json
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from components.mirror_places import Refused, check_places, source_name
from components.report.publish import HISTORY, PAGE, SUMMARY
from components.report.summary import Summary
from modules.storage import (
    Location,
    check_access,
    files_below,
    is_remote,
    location,
    read_if_there,
    write_whole,
)

MARK = ".mirrored.json"


@dataclasses.dataclass(frozen=True)
class Mark:
    """What a mirror wrote into a folder, and where it came from."""

    source: str
    written: list[str]

    @classmethod
    def read(cls, folder: Path) -> "Mark":
        """Returns the mark of a folder; one of no source when there is none, or it is damaged."""
        try:
            content = json.loads((folder / MARK).read_bytes())
            return cls(str(content["source"]), list(content["written"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls("", [])


def mirror_reports(output: str, folder: str | os.PathLike, say: Callable[[str], None]) -> bool:
    """Copies the newest report, and those of earlier runs that the folder lacks, refused and failed ones too.

    Args:
      output: of the runs, a folder or an address.
      folder: local folder, made when absent.
      say: is given a line for each run whose report was copied.

    Returns:
      Whether there was anything to copy.

    Raises:
      Refused: when the folder holds reports of other runs. Nothing was touched.
      OSError: when the output cannot be read, or the folder cannot be written.
    """
    check_places(output, folder)
    source, target = location(output), Path(folder)
    page, summary = read_if_there(source / PAGE), read_if_there(source / SUMMARY)
    if page is None or summary is None:
        check_access(output)
        return False
    present = {
        name: content for name in (PAGE, SUMMARY) if (content := read_if_there(target / name)) is not None
    }
    if PAGE in present and present.get(SUMMARY) == summary:
        return False
    _check_own(output, target, present)
    newest = _run_id(summary)
    for run_id in sorted({name.partition("/")[0] for name in files_below(source / HISTORY)}):
        # A run completes its summary when it ends, after the report was published.
        if run_id == newest or not (target / HISTORY / run_id / SUMMARY).exists():
            _copy(source / HISTORY / run_id, target / HISTORY / run_id, say)
    mark = Mark(source_name(output), [_hash(content) for content in (*present.values(), page, summary)])
    # Before the report: one whose copy ends half-way is the mirror's, too.
    write_whole(target / MARK, json.dumps(dataclasses.asdict(mark)).encode())
    write_whole(target / PAGE, page)
    write_whole(target / SUMMARY, summary)
    say(f"{target / PAGE} is the newest report now")
    return True


def _check_own(output: str, folder: Path, present: dict[str, bytes]) -> None:
    """Raises Refused when the newest report in a folder did not come from the output."""
    advice = (
        "Nothing was changed. Are SOURCE and FOLDER swapped? If not, give the copies of "
        f"{output} a folder of their own"
    )
    if not is_remote(output) and Mark.read(Path(output)).source == source_name(folder):
        raise Refused(f"SOURCE {output} is itself a mirror of FOLDER {folder}. {advice}")
    mark = Mark.read(folder)
    written = mark.written if mark.source == source_name(output) else []
    for name, content in present.items():
        if _hash(content) not in written and not _is_known(name, content, folder, location(output)):
            raise Refused(
                f"FOLDER {folder} is the output of runs, or another mirror's: its {name} was not copied from "
                f"{output}. {advice}"
            )


def _is_known(name: str, content: bytes, folder: Path, source: Location) -> bool:
    """True for a file of a run that both places keep: mirrors of before left no mark."""
    return any(
        read_if_there(kept) == content == read_if_there(source / HISTORY / kept.parent.name / name)
        for kept in sorted(folder.glob(f"{HISTORY}/*/{name}"))
    )


def _copy(source: Location, target: Path, say: Callable[[str], None]) -> None:
    page, summary = read_if_there(source / PAGE), read_if_there(source / SUMMARY)
    if page is not None and summary is not None:
        write_whole(target / PAGE, page)
        write_whole(target / SUMMARY, summary)
        say(f"Copied the report of {source.name}")


def _run_id(summary: bytes) -> str | None:
    try:
        return Summary.from_json(summary).run_id
    except ValueError:  # damaged, which is for its readers to say
        return None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
