"""Runs the DAG on this machine with Beam's DAG runner, and says what came out of it."""

import dataclasses
import enum
import logging
from pathlib import Path

from rich.console import Console

from components import serving_versions
from components.data_check.findings import finding_lines, refusal
from components.report.publish import PAGE
from components.report.summary import Summary, verdict_sentence
from modules.storage import StorageError
from pipeline import __version__, freshness, output_lock, source_state
from pipeline.beam_endpoint import unreachable_job_service
from pipeline.config import Config
from pipeline.console import plain_console, quiet_console
from pipeline.full_disk import DiskFull, explanation, is_full_disk
from pipeline.notify import ending_of, notify
from pipeline.prune import prune_after_run
from pipeline.run_record import Run, failure_recorded, reason, record
from pipeline.stopping import stopped_by_signals
from pipeline.weights_server import missing_weights

STOPPED = "Stopped. What is finished is kept: the same command goes on from there."

ACCEPTED_FINDINGS_SHOWN = 10  # the report has the others


class ExitCode(enum.IntEnum):
    PUSHED = 0
    UNEXPECTED = 1
    BAD_INPUT = 2
    NOT_BLESSED = 3
    DATA_REFUSED = 4


def run(config: Config, source_fingerprint: str, because: str = "", push: bool = True) -> ExitCode:
    """Runs the pipeline; returns how it ended. Prints progress, then the verdict and where things lie.

    Args:
      config: a complete, checked config with absolute paths.
      source_fingerprint: of the images, see pipeline.source_state.
      because: why it is started, in a person's words; may be empty.
      push: False judges the model only.

    Raises:
      output_lock.OutputInUse: when another run uses the output folder.
      ConnectionError: when weights have to be downloaded and cannot be.
      DiskFull: when there is no room outside of a step.
    """
    try:
        return _run_locked(Run(config, source_fingerprint, because, push))
    except Exception as error:
        if not is_full_disk(error):
            raise
        raise DiskFull(f"{explanation(config)}.") from error


def _run_locked(run: Run) -> ExitCode:
    config, output = run.config, Path(run.config.output)
    with output_lock.exclusive(output):
        with failure_recorded(run):
            found = freshness.look(config, run.source_fingerprint)
        if holds(found, run) and (output / PAGE).exists():
            print_summary(plain_console(), found.summary, output, unchanged=found)
            return exit_code_of(found.summary)
        with failure_recorded(run):
            if missing := missing_weights(config.model) or unreachable_job_service(config.beam):
                raise ConnectionError(missing)
            with quiet_console(run.log_file) as console, stopped_by_signals(STOPPED, console.file.fileno()):
                console.print(f"Headstart {__version__}: {config.name}. The log is {run.log_file}")
                code = _run_dag(dataclasses.replace(run, because=run.because or found.why), console)
                prune_after_run(config)
                return code


def holds(found: freshness.Freshness, run: Run) -> bool:
    """Whether the result of the last run is that of this one, which then has nothing to do."""
    if found.summary is not None and found.summary.outcome == "withdrawn" and run.because:
        return False  # it may name the model that was withdrawn
    if not run.push and found.changes == (freshness.WHY_AGAIN["judged"],):
        return True
    return found.is_fresh


def _run_dag(run: Run, console: Console) -> ExitCode:
    with console.status("loading TensorFlow and TFX"):
        from pipeline import beam_runner, dag, leftovers
    output = Path(run.config.output)
    root, metadata_file = output / "pipeline", output / "metadata.sqlite"
    leftovers.remove_leftovers(root, metadata_file)
    surroundings = dag.Surroundings(
        source_fingerprint=source_state.cache_key(run.config.output, run.source_fingerprint),
        serving_state=serving_versions.state(run.config.push.destination),
        run_id=run.id,
        because=run.because,
        push=run.push,
    )
    pipeline = dag.create_pipeline(
        run.config,
        surroundings,
        root=str(root),
        metadata_connection_config=beam_runner.sqlite_metadata(metadata_file),
    )
    ended = beam_runner.run(pipeline, console)
    step, error = (ended.failure.step, ended.failure.error) if ended.failure else (None, None)
    summary = record(run, step, error, ended.step_seconds)
    notify(run.config, run.id, *ending_of(summary))
    if summary.outcome == "failed":
        return _explain(step, error, run.config, console)
    print_summary(console, summary, output)
    return exit_code_of(summary)


def exit_code_of(summary: Summary) -> ExitCode:
    """Returns the exit code of a run that came to a result."""
    if summary.outcome == "data_refused":
        return ExitCode.DATA_REFUSED
    return ExitCode.PUSHED if summary.blessed else ExitCode.NOT_BLESSED


def _explain(step: str, error: BaseException, config: Config, console: Console) -> ExitCode:
    """Prints why a run failed."""
    # Such as weights that could not be downloaded, or a bucket that is gone.
    if isinstance(error, (ConnectionError, StorageError)) or is_full_disk(error):
        console.print(f"\n{step}: {reason(error, config)}", style="red")
        return ExitCode.BAD_INPUT
    logging.error("Step %s failed", step, exc_info=error)
    console.print(
        f"\n{step} failed: {reason(error, config)}\n"
        "The log has the details. What is finished is kept: the same command goes on from there.",
        style="red",
    )
    return ExitCode.UNEXPECTED


def print_summary(
    console: Console, summary: Summary, output: Path, unchanged: freshness.Freshness | None = None
) -> None:
    """Prints the last lines of a run: how it ended and why, what serves, where the report lies."""
    if unchanged:
        console.print("Nothing has changed since the last run; its result holds.")
        if unchanged.rolled_back:
            console.print(f"{unchanged.rolled_back}.")
    if summary.outcome == "data_refused":
        why = refusal(summary.findings, summary.advice) if summary.findings else "\n".join(summary.reasons)
        console.print(f"\n{summary.step} stopped the run: {why}", style="red")
    else:
        after = "" if unchanged or summary.seconds is None else f", after {summary.seconds} s"
        style = "bold green" if summary.blessed else "bold red"
        console.print(f"\n{verdict_sentence(summary)}{after}", style=style)
        for sentence in summary.reasons:
            console.print(f"  {sentence}")
        if summary.findings:
            console.print("Data    accepted, although the data check found:")
            console.print("\n".join(finding_lines(summary.findings, ACCEPTED_FINDINGS_SHOWN)))
    console.print(f"Model   {summary.pushed_path or not_pushed(summary.serving_path)}")
    console.print(f"Report  {output / PAGE}")


def not_pushed(serving_path: str | None) -> str:
    """Says what serves when the model was not pushed."""
    return f"not pushed; {serving_path} goes on serving" if serving_path else "not pushed; nothing serves yet"
