"""TFX's BeamDagRunner with a line on the console for each step."""

import dataclasses
import logging
import time
from pathlib import Path

from rich.console import Console
from tfx.orchestration import metadata
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.beam import beam_dag_runner

from components.errors import NotBlessed


@dataclasses.dataclass(frozen=True)
class Failure:
    """The step at which a run ended, and the error it ended with."""

    step: str
    error: BaseException


@dataclasses.dataclass(frozen=True)
class Ended:
    """How the steps of a run went.

    Attributes:
      failure: at which the run ended before its time; None when every step did its work.
      step_seconds: how long each step took that was started, in their order.
    """

    failure: Failure | None
    step_seconds: dict[str, float]


class _Progress:
    """Counts the steps of one run and remembers how each ended. There is one run at a time in a process."""

    def __init__(self, console: Console, steps: list[str]) -> None:
        self.console = console
        self.steps = steps
        self.failure: Failure | None = None
        self.step_seconds: dict[str, float] = {}
        self.step_was_cached = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Notices what TFX tells nowhere but in its log: a cached step, and one that had no inputs."""
        message = str(record.msg)
        if message.startswith("A cached execution"):
            self.step_was_cached = True
        elif "resolution error" in message:
            step, error = record.args[:2]
            self.failure = Failure(str(step), RuntimeError(f"its inputs could not be found: {error}"))
        return True

    def finish(self, step: str, outcome: str) -> None:
        position = f"{self.steps.index(step) + 1:>2}/{len(self.steps)}"
        self.console.print(f"{position}  {step:<20} {outcome:>11}")


_progress: _Progress | None = None  # a DoFn is pickled by Beam, so what it reports to cannot be its attribute


class _ReportedNode(beam_dag_runner.PipelineNodeAsDoFn):
    """Runs one step of the pipeline and reports how it went."""

    def _run_node(self) -> None:
        started = time.monotonic()
        _progress.step_was_cached = False
        with _progress.console.status(self._node_id):
            try:
                super()._run_node()
            except Exception as error:
                # Beam rewrites the message on the way out; keep the error as it was raised.
                _progress.failure = Failure(self._node_id, error)
                if isinstance(error, NotBlessed):  # what the step is there to say, so it did its work
                    _progress.finish(self._node_id, "not blessed")
                raise
            finally:
                seconds = round(time.monotonic() - started, 1)
                _progress.step_seconds[self._node_id] = seconds
        if _progress.failure:
            raise _progress.failure.error  # TFX goes on to the next step when one finds no inputs
        _progress.finish(self._node_id, "cached" if _progress.step_was_cached else f"{seconds:.1f} s")


class _Runner(beam_dag_runner.BeamDagRunner):
    _PIPELINE_NODE_DO_FN_CLS = _ReportedNode


def sqlite_metadata(path: Path):
    """Returns the connection config of a metadata store in one SQLite file."""
    return metadata.sqlite_metadata_connection_config(str(path))


def run(pipeline: tfx_pipeline.Pipeline, console: Console) -> Ended:
    """Runs the pipeline to its end or to its first failing step; returns how it went.

    Raises:
      Exception: what went wrong outside of any step.
    """
    global _progress
    _progress = _Progress(console, [component.id for component in pipeline.components])
    launcher_log = logging.getLogger("absl")
    level = launcher_log.level
    launcher_log.setLevel(logging.INFO)  # some library may have raised it, and nothing would be noticed
    launcher_log.addFilter(_progress.filter)
    try:
        _Runner().run(pipeline)
    except Exception:
        if not _progress.failure:
            raise
    finally:
        launcher_log.removeFilter(_progress.filter)
        launcher_log.setLevel(level)
    return Ended(_progress.failure, _progress.step_seconds)
