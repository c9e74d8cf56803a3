"""What a run on this machine leaves in its output folder, however it ends: a report and a summary."""

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from components import serving_versions
from components.errors import RunStopped
from components.image_example_gen.sources import list_images
from components.report.made_from import made_from
from components.report.publish import publish, publish_summary
from components.report.summary import Summary
from modules.storage import StorageError
from pipeline import freshness, source_state
from pipeline.config import Config
from pipeline.full_disk import explanation, is_full_disk
from pipeline.notify import ending_of, notify
from pipeline.settings_json import as_dict
from pipeline.source_hash import code_hash

logger = logging.getLogger("headstart.run")


@dataclasses.dataclass(frozen=True)
class Run:
    """A run on this machine, as it was started.

    Attributes:
      config: complete.
      source_fingerprint: of the images, see components.image_example_gen.listing.
      because: why, in a person's words; may be empty.
      push: False judges the model only.
      started: UTC.
    """

    config: Config
    source_fingerprint: str
    because: str = ""
    push: bool = True
    started: datetime = dataclasses.field(default_factory=lambda: datetime.now(timezone.utc))

    @property
    def id(self) -> str:
        return self.started.strftime("%Y%m%d-%H%M%S")

    @property
    def log_file(self) -> Path:
        return Path(self.config.output) / "logs" / f"{self.id}.log"


@contextlib.contextmanager
def failure_recorded(run: Run) -> Iterator[None]:
    """Records and notifies of a run that ends with an error outside of any step; the error passes."""
    try:
        yield
    except Exception as error:
        notify(run.config, run.id, *ending_of(record(run, error=error)))
        raise


def record(
    run: Run,
    step: str | None = None,
    error: BaseException | None = None,
    step_seconds: dict[str, float] | None = None,
) -> Summary:
    """Completes the summary that Report or DataCheck published, or publishes one of a run that neither did.

    Where it cannot be written, as on a full disk, that is said and nothing more: the run has ended.

    Args:
      run: that has ended.
      step: at which it ended before its time; None when it did not, or it came to no step.
      error: that it ended with.
      step_seconds: how long each step took that was started.
    """
    published = freshness.read_summary(run.config.output)
    has_result = (
        published is not None
        and published.run_id == run.id
        and (step is None or isinstance(error, RunStopped))
    )
    summary = dataclasses.replace(
        published if has_result else _stopped(run, step, error),
        started=run.started,
        finished=datetime.now(timezone.utc),
        step_seconds=step_seconds or (published.step_seconds if has_result else {}),
    )
    try:
        if has_result:
            publish_summary(summary.as_json(), run.config.output, run.id)
        else:
            from components.report.render import render_stopped

            page = render_stopped(summary, as_dict(run.config))
            publish(page, summary.as_json(), run.config.output, run.id)
    except OSError as unwritten:
        logger.warning("The summary of this run could not be written: %s", unwritten)
    return summary


def reason(error: BaseException, config: Config) -> str:
    """Returns in a sentence what a run ended with."""
    if isinstance(error, (RunStopped, ConnectionError, StorageError)):
        return str(error)
    if is_full_disk(error):
        return f"{explanation(config)}."
    return f"{type(error).__name__}: {error}"


def _stopped(run: Run, step: str | None, error: BaseException) -> Summary:
    """Returns the summary of a run that ended without one: refused by ingest, or failed."""
    is_refused = isinstance(error, RunStopped)
    destination = run.config.push.destination
    try:
        version, path = serving_versions.serving(destination)
    except OSError:  # a bucket that is gone may be what the run failed of
        version, path = None, None
    made = None
    if is_refused:  # the same images would be refused again
        data, state = run.config.data, serving_versions.state(destination)
        listing = list_images(data.source, data.format)
        images = source_state.fingerprint_of_contents(listing, run.config.output)
        made = made_from(as_dict(run.config), code_hash(), images, state)
    return Summary(
        run_id=run.id,
        outcome="data_refused" if is_refused else "failed",
        step=step,
        reasons=[reason(error, run.config)],
        advice=None
        if is_refused
        else f"What is finished is kept: the same command goes on from there. The log is {run.log_file}",
        serving_version=version,
        serving_path=path,
        made_from=made,
    )
