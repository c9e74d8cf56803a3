"""`headstart mirror`: look once, or again and again until the process is told to end."""

import signal
import time

import click

from components import serving_versions
from components.mirror_places import Refused
from components.pusher.mirror import Mirror
from components.report.mirror import mirror_reports
from pipeline import freshness


def follow(source: str, folder: str, keep: int, reports: bool, every: float | None) -> None:
    """Copies what is new in the source, and prints a line about it; again and again with `every`.

    Args:
      source: push destination, or with `reports` the output of runs.
      folder: local folder.
      keep: how many versions the folder holds.
      reports: whether reports are copied instead of models.
      every: seconds between two looks; None looks once.

    Raises:
      Refused: when the folder is not a mirror's: that takes a person, so it ends `every`, too.
      ValueError, OSError: what went wrong when looking once. With `every` it is printed, and the next look
        may find it mended.
      SystemExit: with code 0, on SIGTERM.
    """
    signal.signal(signal.SIGTERM, _end)
    mirror = Mirror(source, folder, keep, click.echo)
    while True:
        try:
            if reports:
                is_news = mirror_reports(source, folder, click.echo)
            else:
                look = mirror.look()
                is_news = bool(look.copied or look.removed or look.left_out)
            if not is_news and every is None:
                click.echo(f"Nothing to copy: {nothing_new(source, folder, reports)}.")
        except Refused:
            raise
        except (ValueError, OSError) as error:
            if every is None:
                raise
            click.echo(f"Nothing copied: {explanation(error)}", err=True)
        if every is None:
            return
        time.sleep(every)


def nothing_new(source: str, folder: str, reports: bool) -> str:
    """Says why nothing was copied: because there is nothing yet, or because all of it is there already."""
    if reports and freshness.read_summary(source) is None:
        return f"no run has published a report in {source} yet"
    if not reports and not serving_versions.versions(source):
        return f"no model was pushed to {source} yet"
    return f"{folder} has all that there is in {source}"


def explanation(error: ValueError | OSError) -> str:
    """Returns an error as a person reads it: those of the system name the file first."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _end(number, _frame) -> None:
    # What is being copied has a hidden name, and is removed on the way out.
    raise SystemExit(0)
