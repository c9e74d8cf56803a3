"""Puts a run's report where people look for it, and keeps it beside those of the runs before.

OUTPUT/reports/RUN_ID/report.html, summary.json   of every run that ended, refused and failed ones too
OUTPUT/report.html, summary.json                  of the newest one

components/report/summary.py says what a summary holds.
"""

from modules.storage import Location, explained, is_remote, location

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


def write_whole(path: Location, content: bytes) -> None:
    """Writes a file so that whoever reads it finds all of it, or what was there before."""
    if is_remote(path):  # an object store shows an object when all of it is there
        with explained(path):
            path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    incoming = path.with_name(f".{path.name}")
    incoming.write_bytes(content)
    incoming.replace(path)
