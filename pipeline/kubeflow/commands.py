"""What `headstart submit` and `headstart schedule` do, in the order in which a mistake is found soonest.

The address is looked at and the server asked before the pipeline is compiled, which takes half a minute.
Imports kfp; compiling imports TFX.
"""

import contextlib
import shlex
from collections.abc import Callable, Sequence

from components.report.summary import Outcome
from pipeline import freshness
from pipeline.config import Config
from pipeline.config_file import load_config
from pipeline.kubeflow import compile as compiler
from pipeline.kubeflow import cron, follow, schedules, submit
from pipeline.kubeflow.client import Client
from pipeline.kubeflow.connection import Connection, connection_of
from pipeline.kubeflow.connection_options import Flags
from pipeline.kubeflow.submission import Submission, parse_parameters, submission_of
from pipeline.notify import ending_of, failures_notified, notify
from pipeline.stopping import stopped_by_signals

Tell = Callable[[str], None]


def submit_run(
    config_file: str, sets: Sequence[str], parameters: Sequence[str], flags: Flags, wait: bool, tell: Tell
) -> int:
    """Starts a run of a config, and follows it when asked to; returns the exit code.

    Raises:
      ValueError: for a config, a parameter or an address that cannot be used.
      OSError: when Kubeflow Pipelines cannot be asked, or refuses (ClusterError).
    """
    values = parse_parameters(parameters)
    config = load_config(config_file, sets)
    with failures_notified(config) if wait else contextlib.nullcontext():
        connection = connection_of(flags, config.cluster)
        client = Client(connection)
        submission = _compile(config, values, connection, tell)
        run_id = submit.submit(client, submission)
        tell(f"Run {run_id}: {client.link(run_id)}")
    return _follow(client, run_id, config, config_file, tell) if wait else follow.SUCCEEDED


def follow_run(config_file: str, sets: Sequence[str], run_id: str, flags: Flags, tell: Tell) -> int:
    """Follows a run that was started before; returns the exit code that tells how it ended."""
    config = load_config(config_file, sets)
    client = Client(connection_of(flags, config.cluster))
    tell(f"Run {run_id}: {client.link(run_id)}")
    return _follow(client, run_id, config, config_file, tell)


def set_schedule(
    config_file: str,
    sets: Sequence[str],
    parameters: Sequence[str],
    flags: Flags,
    name: str | None,
    expression: str,
    tell: Tell,
) -> None:
    """Makes or changes the schedule of a config.

    Raises:
      ValueError: for a config, a parameter, an address or an expression that cannot be used.
      OSError: when Kubeflow Pipelines cannot be asked, or refuses (ClusterError).
    """
    cron.parse(expression)
    values = parse_parameters(parameters)
    config = load_config(config_file, sets)
    connection = connection_of(flags, config.cluster)
    client = Client(connection)
    name = name or config.name
    schedules.own_schedules(client, name)
    submission = _compile(config, values, connection, tell)
    schedule = schedules.apply(client, name, expression, submission, tell)
    tell(_described(schedule))


def change_schedule(
    config_file: str, sets: Sequence[str], flags: Flags, name: str | None, change: str, tell: Tell
) -> None:
    """Pauses, resumes, deletes or shows the schedule of a config.

    Args:
      change: pause, resume, delete or show.
    """
    config = load_config(config_file, sets)
    client = Client(connection_of(flags, config.cluster))
    name = name or config.name
    if change == "delete":
        count = schedules.delete(client, name)
        tell(f"Deleted {name}." if count else f"There is no schedule {name!r}; nothing to delete.")
        return
    if change == "show":
        found = schedules.own_schedules(client, name)
    else:
        found = schedules.set_enabled(client, name, change == "resume")
    for schedule in found:
        tell(_described(schedule))
    if not found:
        again = f"headstart schedule {shlex.quote(config_file)} --cron ..."
        tell(f"There is no schedule {name!r}. `{again}` makes one.")


def list_schedules(config_file: str | None, sets: Sequence[str], flags: Flags, tell: Tell) -> None:
    """Lists all recurring runs of the namespace, those that were made by other means too."""
    cluster = load_config(config_file, sets).cluster if config_file else None
    client = Client(connection_of(flags, cluster))
    found = schedules.all_schedules(client)
    for schedule in found:
        tell(_described(schedule))
    if not found:
        tell("There are no schedules" + (f" in namespace {client.namespace}." if client.namespace else "."))


def _compile(config: Config, parameters: dict[str, str], connection: Connection, tell: Tell) -> Submission:
    tell(f"Compiling {config.name} for {connection.host}")
    return submission_of(config, compiler.compile_pipeline(config), parameters, connection.experiment)


def _follow(client: Client, run_id: str, config: Config, config_file: str, tell: Tell) -> int:
    """Follows a run to its end, and notifies of it as a run on this machine does."""
    command = shlex.join(["headstart", "submit", config_file, "--follow", run_id])
    again = f"To follow it again: {command}"
    told: list[str] = []

    def tell_and_note(line: str) -> None:
        tell(line)
        told.append(line)

    try:
        with stopped_by_signals(f"Stopped following; the run goes on in the cluster. {again}"):
            code = follow.follow(client, run_id, tell_and_note)
    except OSError as error:
        tell(f"\nThe run goes on in the cluster. {again}")
        notify(config, run_id, "failed", f"the run cannot be followed any more: {error} {again}")
        raise
    notify(config, run_id, *_ending(config, run_id, code, told))
    return code


def _ending(config: Config, run_id: str, code: int, told: list[str]) -> tuple[Outcome, str]:
    """Returns outcome and sentence of a run that ended, by its summary where that can be read from here."""
    if code in (follow.SUCCEEDED, follow.NOT_BLESSED, follow.DATA_REFUSED):
        with contextlib.suppress(OSError):
            summary = freshness.read_summary(config.output)
            if summary and summary.run_id == run_id:
                return ending_of(summary)
    outcomes = {
        follow.SUCCEEDED: "pushed",
        follow.NOT_BLESSED: "not_blessed",
        follow.DATA_REFUSED: "data_refused",
    }
    verdict = max(number for number, line in enumerate(told) if line.startswith("\n"))
    return outcomes.get(code, "failed"), " ".join(told[verdict:])


def _described(schedule: schedules.Schedule) -> str:
    state = "" if schedule.is_enabled else "PAUSED, "
    written = f' (Kubeflow\'s cron "{schedule.cron}")' if schedule.cron else ""
    origin = "" if schedule.fingerprint else "; not made by `headstart schedule`"
    return f"{schedule.name}: {state}{schedule.in_words()}{written}, id {schedule.id}{origin}"
