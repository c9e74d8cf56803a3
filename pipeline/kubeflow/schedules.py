"""One recurring run for a pipeline, made and changed so that the same call always leads to the same state.

Kubeflow Pipelines cannot change a recurring run. So a changed one is made anew, and the old one deleted
afterwards: there is no moment without a schedule, and what a crash in between leaves behind is cleared by the
next call. Which recurring run is ours, and what it was made from, stands in its description.
"""

import dataclasses
import re
from collections.abc import Callable

from pipeline.kubeflow import cron
from pipeline.kubeflow.client import Client, ClusterError
from pipeline.kubeflow.submission import Submission

PAGE_SIZE = 100
_DESCRIPTION = "Made by `headstart schedule`, which also changes and deletes it. Fingerprint: {}"
_FINGERPRINT = re.compile(re.escape(_DESCRIPTION).replace(r"\{\}", "([0-9a-f]{64})"))


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A recurring run as the API gives it."""

    id: str
    name: str
    is_enabled: bool
    cron: str | None
    """Six fields; None for one that comes round after a time instead."""
    interval_seconds: int | None
    created_at: str
    fingerprint: str | None
    """Of what it was made from; None for one that was made by other means."""

    def in_words(self) -> str:
        """Says when it comes due."""
        if self.cron is None:
            return f"every {self.interval_seconds} s" if self.interval_seconds else "at no time"
        try:
            return cron.explain(self.cron)
        except cron.CronError:
            return self.cron  # it was made by other means, and Kubeflow understood it


def all_schedules(client: Client, name: str | None = None) -> list[Schedule]:
    """Returns the recurring runs of the namespace, or those with one name; oldest first."""
    found, page_token = [], ""
    while True:
        page = client.list_recurring_runs(
            page_token=page_token, page_size=PAGE_SIZE, namespace=client.namespace
        )
        found += [_schedule(recurring_run) for recurring_run in page.recurring_runs or []]
        page_token = page.next_page_token
        if not page_token:
            break
    wanted = [schedule for schedule in found if name is None or schedule.name == name]
    return sorted(wanted, key=lambda schedule: (schedule.created_at, schedule.id))


def own_schedules(client: Client, name: str) -> list[Schedule]:
    """Returns the recurring runs with a name: one, none, or several after a crash.

    Raises:
      ClusterError: when one of them was not made by `headstart schedule`.
    """
    found = all_schedules(client, name)
    for schedule in found:
        if schedule.fingerprint is None:
            raise ClusterError(
                f"the recurring run {name!r} ({schedule.id}) was not made by `headstart schedule`, which "
                "leaves it alone. Delete it in Kubeflow, or give this schedule another name with --name"
            )
    return found


def apply(
    client: Client, name: str, expression: str, submission: Submission, tell: Callable[[str], None]
) -> Schedule:
    """Makes sure that exactly one recurring run has this name, and that it is this one.

    Args:
      client: which was let in.
      name: of the recurring run.
      expression: see `pipeline.kubeflow.cron`.
      submission: what is run.
      tell: is called with what was done.

    Returns:
      The recurring run. One that was paused stays paused.

    Raises:
      ClusterError: when Kubeflow Pipelines cannot be asked, or refuses.
      cron.CronError: for an expression that cannot be used.
    """
    six_fields = cron.to_kfp(expression)
    experiment_id = client.experiment_id(submission.experiment)
    fingerprint = submission.fingerprint(cron=six_fields, experiment_id=experiment_id, name=name)
    before = own_schedules(client, name)
    is_enabled = not before or any(schedule.is_enabled for schedule in before)
    same = [schedule for schedule in before if schedule.fingerprint == fingerprint]
    if same:
        now = before
    else:
        created = _create(client, name, six_fields, submission, experiment_id, fingerprint, is_enabled)
        # Asked again, so that of two calls at the same time both keep the same one.
        now = own_schedules(client, name) or [created]
        same = [schedule for schedule in now if schedule.fingerprint == fingerprint] or [created]
    kept = same[0]
    if is_enabled and not kept.is_enabled:
        client.enable_recurring_run(kept.id)
        kept = dataclasses.replace(kept, is_enabled=True)
    others = [schedule for schedule in now if schedule.id != kept.id]
    for schedule in others:
        _delete(client, schedule)
    tell(_outcome(bool(before), kept in before, len(others)) + (" It is paused." if not is_enabled else ""))
    return kept


def set_enabled(client: Client, name: str, is_enabled: bool) -> list[Schedule]:
    """Pauses or resumes; returns the recurring runs as they are now.

    Raises:
      ClusterError: when there is none, beside what asking may raise.
    """
    schedules = own_schedules(client, name)
    if not schedules:
        raise ClusterError(f"there is no schedule {name!r}. `headstart schedule CONFIG --cron ...` makes one")
    for schedule in schedules:
        if schedule.is_enabled != is_enabled:
            change = client.enable_recurring_run if is_enabled else client.disable_recurring_run
            change(schedule.id)
    return [dataclasses.replace(schedule, is_enabled=is_enabled) for schedule in schedules]


def delete(client: Client, name: str) -> int:
    """Deletes the recurring runs with a name and returns how many there were."""
    schedules = own_schedules(client, name)
    for schedule in schedules:
        _delete(client, schedule)
    return len(schedules)


def _create(
    client: Client,
    name: str,
    six_fields: str,
    submission: Submission,
    experiment_id: str,
    fingerprint: str,
    is_enabled: bool,
) -> Schedule:
    with submission.package() as package:
        return _schedule(
            client.create_recurring_run(
                experiment_id=experiment_id,
                job_name=name,
                description=_DESCRIPTION.format(fingerprint),
                cron_expression=six_fields,
                max_concurrency=1,
                no_catchup=True,
                params=submission.parameters,
                pipeline_package_path=package,
                enabled=is_enabled,
                pipeline_root=submission.pipeline_root,
                service_account=submission.service_account,
            )
        )


def _delete(client: Client, schedule: Schedule) -> None:
    try:
        client.delete_recurring_run(schedule.id)
    except ClusterError as error:
        if error.status != 404:  # somebody else deleted it just now
            raise


def _schedule(recurring_run) -> Schedule:
    trigger = recurring_run.trigger
    cron_schedule = trigger.cron_schedule if trigger else None
    periodic = trigger.periodic_schedule if trigger else None
    found = _FINGERPRINT.search(recurring_run.description or "")
    return Schedule(
        id=recurring_run.recurring_run_id,
        name=recurring_run.display_name,
        is_enabled=recurring_run.mode == "ENABLE",
        cron=(cron_schedule.cron or None) if cron_schedule else None,
        interval_seconds=int(periodic.interval_second or 0) if periodic else None,
        created_at=str(recurring_run.created_at or ""),
        fingerprint=found[1] if found else None,
    )


def _outcome(there_was_one: bool, is_unchanged: bool, deleted: int) -> str:
    if not there_was_one:
        return "Scheduled."
    if not is_unchanged:
        return "The schedule has changed: the new one is made, the old one deleted."
    return "Nothing has changed." + (
        f" Deleted {deleted} that an earlier call left behind." if deleted else ""
    )
