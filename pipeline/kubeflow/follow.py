"""Follows a run in the cluster to its end, with a line for each step that starts or ends."""

import dataclasses
import re
import time
from collections.abc import Callable
from datetime import datetime, timezone

from pipeline.kubeflow.client import Client, ClusterError

POLL_SECONDS = 10.0
PATIENCE_SECONDS = 900.0  # how long the API may be away, as while it is upgraded, before following ends

SUCCEEDED, FAILED, NOT_BLESSED, DATA_REFUSED = 0, 1, 3, 4
EXIT_CODES = {"Verdict": NOT_BLESSED, "DataCheck": DATA_REFUSED, "ImageExampleGen": DATA_REFUSED}
FINAL = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED", "ERROR")
DRIVER = "-driver"  # Kubeflow's own task before each step, which prepares its inputs
# What the cluster did to a step, which then says nothing about the data or the model.
BY_THE_CLUSTER = re.compile(
    r"OOMKilled|exit code 137|evict|ImagePull|ErrImage|deadline|unschedulable|preempt|pod deleted",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class _Task:
    name: str
    state: str
    seconds: float
    ended: datetime | None
    message: str


def follow(client: Client, run_id: str, tell: Callable[[str], None]) -> int:
    """Waits for the end of a run and returns the exit code that tells how it ended.

    0: it succeeded · 3: Verdict failed, the model was not blessed · 4: DataCheck or ImageExampleGen
    refused the data · 1: anything else.

    Args:
      client: which was let in.
      run_id: of the run.
      tell: is called with each line.

    Raises:
      ClusterError: when there is no such run, or Kubeflow Pipelines is away for too long.
    """
    told: dict[str, str] = {}
    while True:
        run = _ask(client, run_id, tell)
        tasks = _tasks(run)
        steps = _steps(run, tasks)
        for task in sorted(tasks.values(), key=lambda task: (task.ended is None, task.ended or 0)):
            if task.name in steps and task.state != told.get(task.name):
                told[task.name] = task.state
                if line := _line(task, list(told.values()), len(steps)):
                    tell(line)
        if run.state in FINAL:
            return _verdict(client, run, tasks, steps, tell)
        time.sleep(POLL_SECONDS)


def _ask(client: Client, run_id: str, tell: Callable[[str], None]):
    """Returns the run as it is now; waits when Kubeflow Pipelines is away for a while."""
    away_since = None
    while True:
        try:
            return client.get_run(run_id)
        except ClusterError as error:
            if not error.is_passing:
                raise
            if away_since is None:
                away_since = time.monotonic()
                tell(f"{error} Trying again.")
            if time.monotonic() - away_since > PATIENCE_SECONDS:
                raise
            time.sleep(POLL_SECONDS)


def _tasks(run) -> dict[str, _Task]:
    """Returns what the API tells of each task by its name, Kubeflow's own tasks included."""
    details = (run.run_details.task_details if run.run_details else None) or []
    return {detail.display_name: _task(detail) for detail in details if detail.display_name}


def _task(detail) -> _Task:
    now = datetime.now(timezone.utc)
    start = detail.start_time or detail.create_time or now
    # The API gives 1970 for the end of what has not ended.
    ended = detail.end_time if detail.end_time and detail.end_time >= start else None
    states = [status for status in detail.state_history or [] if status.error]
    error = detail.error or (states[-1].error if states else None)
    return _Task(
        name=detail.display_name,
        state=(detail.state or "").upper(),
        seconds=max(0.0, ((ended or now) - start).total_seconds()),
        ended=ended,
        message=" ".join((error.message or "").split()) if error else "",
    )


def _steps(run, tasks: dict[str, _Task]) -> list[str]:
    """Returns the names of the pipeline's steps, from its spec where the API gives it."""
    spec = run.pipeline_spec or {}
    spec = spec.get("pipeline_spec", spec)
    named = spec.get("root", {}).get("dag", {}).get("tasks", {})
    own = re.compile(rf"root|executor(\(\d+\))?|.*{DRIVER}")
    return list(named) or [name for name in tasks if not own.fullmatch(name)]


def _line(task: _Task, states: list[str], count: int) -> str | None:
    """Returns the line for a task that has just changed its state; None for a state that is no news."""
    name = f"{task.name:<20}"
    if task.state == "RUNNING":
        return f"       {name} {'started':>10}"
    if task.state == "FAILED":
        return f"       {name} {'failed':>10} after {task.seconds:.0f} s"
    if task.state == "SUCCEEDED":
        return f"{states.count('SUCCEEDED'):>2}/{count}  {name} {f'{task.seconds:.0f} s':>10}"
    return None


def _verdict(
    client: Client, run, tasks: dict[str, _Task], steps: list[str], tell: Callable[[str], None]
) -> int:
    """Tells how a run ended, and returns the exit code for it."""
    seconds = (run.finished_at - run.created_at).total_seconds() if run.finished_at and run.created_at else 0
    after = f" after {seconds:,.0f} s" if seconds > 0 else ""
    if run.state == "SUCCEEDED":
        tell(
            f"\nThe run succeeded{after}{': the model is blessed and pushed' if 'Verdict' in steps else ''}."
        )
        return SUCCEEDED
    if run.state != "FAILED":
        tell(f"\nThe run ended as {run.state}{after}.")
        return FAILED
    failed = [task for task in tasks.values() if task.state == "FAILED"]
    failed.sort(key=lambda task: task.ended.timestamp() if task.ended else float("inf"))
    culprit = next((task for task in failed if task.name in steps), None)
    culprit = culprit or next((task for task in failed if task.name.removesuffix(DRIVER) in steps), None)
    message = (culprit.message if culprit else "") or (run.error.message if run.error else "")
    # Kubeflow hands on neither the step's own words nor its exit code (as of 2.17), so its name must do.
    exit_code = EXIT_CODES.get(culprit.name if culprit else "", FAILED)
    if message and BY_THE_CLUSTER.search(message):
        exit_code = FAILED
    what = {NOT_BLESSED: "The model was not blessed", DATA_REFUSED: "The data was refused"}.get(exit_code)
    where = f"{culprit.name} failed" if culprit else "Kubeflow does not say which step failed"
    tell(f"\n{what or 'The run failed'}{after}: {where}{f': {message}' if message else '.'}")
    tell(f"The end of the step's log has the reason: {client.link(run.run_id)}")
    return exit_code
