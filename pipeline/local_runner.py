"""Runs the DAG on this machine with Beam's DAG runner, and says what came out of it."""

import enum
import logging
import time
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console

from components import serving_versions
from components.errors import NotBlessed, RunStopped
from components.report.publish import PAGE
from modules.storage import StorageError
from pipeline import __version__, freshness, output_lock
from pipeline.beam_endpoint import unreachable_job_service
from pipeline.config import Config
from pipeline.console import plain_console, quiet_console
from pipeline.full_disk import DiskFull, explanation, is_full_disk
from pipeline.notify import ending_of, failure_of, failures_notified, notify
from pipeline.prune import prune_after_run
from pipeline.stopping import stopped_by_signals
from pipeline.weights_server import missing_weights

STOPPED = "Stopped. What is finished is kept: the same command goes on from there."


class ExitCode(enum.IntEnum):
    PUSHED = 0
    UNEXPECTED = 1
    BAD_INPUT = 2
    NOT_BLESSED = 3
    DATA_REFUSED = 4


def run(config: Config, source_fingerprint: str) -> ExitCode:
    """Runs the pipeline; returns how it ended. Prints progress, then the verdict and where things lie.

    Args:
      config: a complete, checked config with absolute paths.
      source_fingerprint: of the images, see components.image_example_gen.listing.

    Raises:
      output_lock.OutputInUse: when another run uses the output folder.
      ConnectionError: when weights have to be downloaded and cannot be.
      DiskFull: when there is no room outside of a step.
    """
    output = Path(config.output)
    try:
        return _run_locked(config, source_fingerprint, output)
    except Exception as error:
        if not is_full_disk(error):
            raise
        raise DiskFull(f"{explanation(config)}.") from error


def _run_locked(config: Config, source_fingerprint: str, output: Path) -> ExitCode:
    with output_lock.exclusive(output):
        run_id = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
        log_file = output / "logs" / f"{run_id}.log"
        found = freshness.look(config, source_fingerprint)
        if found.is_fresh and (output / PAGE).exists():
            print_summary(plain_console(), found.summary, output, unchanged=found)
            return exit_code_of(found.summary)
        with failures_notified(config, run_id):
            if missing := missing_weights(config.model) or unreachable_job_service(config.beam):
                raise ConnectionError(missing)
            with quiet_console(log_file) as console, stopped_by_signals(STOPPED, console.file.fileno()):
                console.print(f"Headstart {__version__}: {config.name}. The log is {log_file}")
                code = _run_dag(config, source_fingerprint, run_id, console)
                prune_after_run(config)
                return code


def _run_dag(config: Config, source_fingerprint: str, run_id: str, console: Console) -> ExitCode:
    started = time.monotonic()
    with console.status("loading TensorFlow and TFX"):
        from pipeline import beam_runner, dag, leftovers
    output = Path(config.output)
    root, metadata_file = output / "pipeline", output / "metadata.sqlite"
    leftovers.remove_leftovers(root, metadata_file)
    (output / dag.REFUSAL_FILE).unlink(missing_ok=True)  # what an earlier run found wrong with the data
    surroundings = dag.Surroundings(
        source_fingerprint=source_fingerprint,
        serving_state=serving_versions.state(config.push.destination),
        run_id=run_id,
    )
    pipeline = dag.create_pipeline(
        config,
        surroundings,
        root=str(root),
        metadata_connection_config=beam_runner.sqlite_metadata(metadata_file),
    )
    failure = beam_runner.run(pipeline, console)
    if failure and not isinstance(failure.error, NotBlessed):
        code = _explain(failure, config, console)
        notify(config, run_id, *failure_of(failure.step, failure.error))
        return code
    summary = freshness.read_summary(config.output)
    print_summary(console, summary, output, seconds=time.monotonic() - started)
    notify(config, run_id, *ending_of(summary))
    return exit_code_of(summary)


def exit_code_of(summary: dict) -> ExitCode:
    """Returns the exit code of a run that came to its end, by its summary.json."""
    return ExitCode.PUSHED if summary["blessed"] else ExitCode.NOT_BLESSED


def _explain(failure, config: Config, console: Console) -> ExitCode:
    if isinstance(failure.error, RunStopped):
        console.print(f"\n{failure.step} stopped the run: {failure.error}", style="red")
        return ExitCode.DATA_REFUSED
    # Such as weights that could not be downloaded, or a bucket that is gone.
    if isinstance(failure.error, (ConnectionError, StorageError)):
        console.print(f"\n{failure.step}: {failure.error}", style="red")
        return ExitCode.BAD_INPUT
    if is_full_disk(failure.error):
        console.print(f"\n{failure.step}: {explanation(config)}.", style="red")
        return ExitCode.BAD_INPUT
    logging.error("Step %s failed", failure.step, exc_info=failure.error)
    console.print(
        f"\n{failure.step} failed: {type(failure.error).__name__}: {failure.error}\n"
        "The log has the details. What is finished is kept: the same command goes on from there.",
        style="red",
    )
    return ExitCode.UNEXPECTED


def print_summary(
    console: Console,
    summary: dict,
    output: Path,
    unchanged: freshness.Freshness | None = None,
    seconds: float = 0.0,
) -> None:
    """Prints the last lines of a run: verdict, accuracy with its interval, where model and report lie."""
    accuracy = summary["accuracy"]
    if unchanged:
        console.print("Nothing has changed since the last run; its result holds.")
        if unchanged.rolled_back:
            console.print(f"{unchanged.rolled_back}.")
    verdict = "blessed" if summary["blessed"] else "NOT blessed"
    console.print(
        f"\nThe model is {verdict}. Accuracy {accuracy['value']:.1%} "
        f"({accuracy['low']:.1%} to {accuracy['high']:.1%}, n = {accuracy['n']:,})"
        + (f", after {seconds:.0f} s" if seconds else ""),
        style="bold green" if summary["blessed"] else "bold red",
    )
    for reason in summary["reasons"]:
        console.print(f"  {reason}")
    console.print(f"Model   {summary['pushed_path'] or not_pushed(summary['serving_path'])}")
    console.print(f"Report  {output / 'report.html'}")


def not_pushed(serving_path: str | None) -> str:
    """Says what serves when the model was not pushed."""
    return f"not pushed; {serving_path} goes on serving" if serving_path else "not pushed; nothing serves yet"
