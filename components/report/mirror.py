"""Keeps a local copy of the reports of an output folder, for a web server beside it."""

import os
from collections.abc import Iterator

from components.report.publish import HISTORY, PAGE, SUMMARY, write_whole
from modules.storage import Location, explained, files_below, location


def mirror_reports(output: str, folder: str | os.PathLike) -> Iterator[str]:
    """Copies the newest report, and those of earlier runs that the folder lacks.

    Args:
      output: of the runs, a folder or an address.
      folder: local folder, made when absent.

    Yields:
      A line for each run whose report was copied.

    Raises:
      StorageError: when the output cannot be read.
    """
    source, target = location(output), location(folder)
    summary = _read(source / SUMMARY)
    if summary is None or summary == _read(target / SUMMARY):
        return
    kept = files_below(source / HISTORY)
    for run_id in sorted({name.partition("/")[0] for name in kept}):
        if not (target / HISTORY / run_id / SUMMARY).exists():
            yield from _copy(source / HISTORY / run_id, target / HISTORY / run_id)
    list(_copy(source, target))


def _copy(source: Location, target: Location) -> Iterator[str]:
    page, summary = _read(source / PAGE), _read(source / SUMMARY)
    if page is not None and summary is not None:
        write_whole(target / PAGE, page)
        write_whole(target / SUMMARY, summary)
        yield f"Copied the report of {source.name}"


def _read(file: Location) -> bytes | None:
    try:
        with explained(file):
            return file.read_bytes()
    except FileNotFoundError:
        return None
