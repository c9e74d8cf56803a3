"""Puts a run's report where people look for it, and keeps it beside those of the runs before.

OUTPUT/reports/RUN_ID/report.html, summary.json   of every run that ended, refused and failed ones too
OUTPUT/report.html, summary.json                  of the newest one
OUTPUT/source_index.npz                           of the source as a run or `fresh` last saw it

components/report/summary.py says what a summary holds.
"""

import dataclasses

from components.source_index import SourceIndex
from modules.storage import Location, location, write_whole

HISTORY = "reports"
PAGE, SUMMARY = "report.html", "summary.json"


def publish(page: str, summary: str, output: str, run_id: str) -> None:
    """Writes the page and the summary into the output folder, the newest summary last.

    Each file is replaced as a whole. Whoever finds a summary finds the page that belongs to it.

    Args:
      page: HTML.
      summary: JSON.
      output: folder or address.
      run_id: names the run's folder among those that are kept.
    """
    for folder in _places(output, run_id):
        write_whole(folder / PAGE, page.encode())
        write_whole(folder / SUMMARY, summary.encode())


def publish_summary(summary: str, output: str, run_id: str) -> None:
    """Replaces the summary of the newest run, whose report was published before."""
    for folder in _places(output, run_id):
        write_whole(folder / SUMMARY, summary.encode())


def _places(output: str, run_id: str) -> tuple[Location, Location]:
    root = location(output)
    return root / HISTORY / run_id, root


def publish_index(ingest_report: "str | Location", output: str) -> None:
    """Writes what ingest knows about the files of the source into the output folder.

    Whoever publishes a summary calls this first: `fresh` compares the source with the summary, and reads the
    whole source where the index does not know it. Where ingest came from the cache, the index in the output
    may have seen the same files later; then it stays.

    Args:
      ingest_report: folder or address of ingest's artifact.
      output: folder or address.
    """
    ingested = SourceIndex.read(ingest_report)
    if ingested is None:  # of a release that wrote none
        return
    before = SourceIndex.read(output)
    if before is not None:
        is_later = before.fingerprint == ingested.fingerprint and before.seen_ns > ingested.seen_ns
        cache_keys = before.cache_keys | ingested.cache_keys
        ingested = dataclasses.replace(before if is_later else ingested, cache_keys=cache_keys)
    if ingested != before:
        ingested.write(output)
