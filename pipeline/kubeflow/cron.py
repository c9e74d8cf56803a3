"""Cron expressions of Kubernetes (five fields) and of Kubeflow Pipelines (six), checked and converted.

Both sides read them with the same Go library, robfig/cron: Kubernetes' CronJob with version 3, Kubeflow's
controller with version 1.2, which puts seconds first. What is accepted here means the same to both:

- Kubeflow takes five fields as well, but as seconds to month, the day of the week left out: "0 3 * * 1",
  03:00 on Mondays to Kubernetes, is minute 3 of every hour of January to Kubeflow. So five fields always are
  Kubernetes' here, and are given to Kubeflow as six.
- Sunday is 0; 7 is an error to both. So are L, W, #, and ranges that wrap around, such as FRI-MON.
- When day of month and day of week are both restricted, a day that fits either is taken.

Times are UTC unless the cluster was told otherwise: a CronJob follows its field timeZone, or the clock of
kube-controller-manager; Kubeflow's recurring runs follow CRON_SCHEDULE_TIMEZONE of the deployment
ml-pipeline-scheduledworkflow, for all of them at once. An expression carries no time zone: Kubernetes
refuses TZ= in it.
"""

import dataclasses
import re
from datetime import datetime, timezone

from cronsim import CronSim, CronSimError

from pipeline.kubeflow import cron_words
from pipeline.kubeflow.cron_words import is_free

MONTHS = {name[:3].lower(): number for number, name in enumerate(cron_words.MONTHS, 1)}
WEEKDAYS = {name[:3].lower(): number for number, name in enumerate(cron_words.WEEKDAYS)}
MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
EXAMPLE = 'Write five fields as Kubernetes does, such as "0 3 * * 1" (03:00 every Monday)'


class CronError(ValueError):
    """An expression that cannot be used; the text says which field, what was received and what is allowed."""


@dataclasses.dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    names: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def allowed(self) -> str:
        names = f" or {', '.join(name.upper() for name in self.names)}" if self.names else ""
        return f"{self.low} to {self.high}{names}"


FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, MONTHS),
    _Field("day of week", 0, 6, WEEKDAYS),
)


@dataclasses.dataclass(frozen=True)
class Cron:
    """A checked expression.

    Attributes:
      second: 0 to 59.
      fields: minute, hour, day of month, month, day of week, as they were written.
      values: the values of each of those fields.
    """

    second: int
    fields: tuple[str, str, str, str, str]
    values: tuple[frozenset[int], ...]

    def next_times(self, after: datetime, count: int = 3) -> list[datetime]:
        """Returns the next times, in the time zone of `after`.

        Raises:
          CronError: when there are none, as for the 30th of February.
        """
        # Values instead of what was written: cronsim knows a Sunday 7, which makes another day of "1/2".
        fields = (
            "*" if is_free(text) else ",".join(map(str, sorted(values)))
            for text, values in zip(self.fields, self.values, strict=True)
        )
        try:
            times = CronSim(" ".join([str(self.second), *fields]), after)
            return [next(times) for _ in range(count)]
        except (CronSimError, StopIteration):
            raise CronError(
                f"the time never comes: day {self.fields[2]} of month {self.fields[3]}. {EXAMPLE}"
            ) from None


def parse(expression: str) -> Cron:
    """Reads five fields, six with seconds first, @daily and its like, or "every 6h".

    Raises:
      CronError: for anything that Kubernetes or Kubeflow would refuse, ignore or understand differently.
    """
    text = _without_shorthand(expression.strip())
    fields = text.split()
    if len(fields) not in (5, 6):
        raise CronError(
            "a cron expression has 5 fields (minute, hour, day of month, month, day of week), or 6 with "
            f"seconds first; got {len(fields)} in {expression!r}. {EXAMPLE}"
        )
    second = _second(fields.pop(0)) if len(fields) == 6 else 0
    values = tuple(_values(field, text) for field, text in zip(FIELDS, fields, strict=True))
    day_of_month, day_of_week = fields[2], fields[4]
    stepped = [text for text in (day_of_month, day_of_week) if text[0] in "*?"]
    if stepped and not is_free(day_of_month) and not is_free(day_of_week):
        raise CronError(
            f"day of month {day_of_month!r} with day of week {day_of_week!r}: Kubeflow takes days that fit "
            "both, Kubernetes those that fit either. "
            f"Write out the days of {stepped[0]!r}, or leave one field at *"
        )
    cron = Cron(second, tuple(fields), values)
    cron.next_times(datetime(2000, 1, 1, tzinfo=timezone.utc), 1)
    return cron


def to_kfp(expression: str) -> str:
    """Returns the expression with six fields, seconds first."""
    cron = parse(expression)
    return " ".join([str(cron.second), *cron.fields])


def to_kubernetes(expression: str) -> str:
    """Returns the expression with five fields.

    Raises:
      CronError: for an expression that cannot be used, or that starts at another second than 0.
    """
    cron = parse(expression)
    if cron.second:
        raise CronError(
            f"second: got {cron.second}; Kubernetes knows minutes only. Use 0, or leave the field out"
        )
    return " ".join(cron.fields)


def explain(expression: str, now: datetime | None = None) -> str:
    """Says in words when an expression comes due, with its next three times.

    Args:
      expression: as for `parse`.
      now: where to count from, with a time zone; the present time in UTC by default.
    """
    cron = parse(expression)
    times = cron.next_times(now or datetime.now(timezone.utc))
    form = "%Y-%m-%d %H:%M:%S %Z" if cron.second else "%Y-%m-%d %H:%M %Z"
    words = cron_words.in_words(cron.second, cron.fields, cron.values)
    return f"{words}; next: {', '.join(time.strftime(form) for time in times)}"


def _without_shorthand(text: str) -> str:
    """Replaces @daily and its like, and an interval such as "every 6h", by fields."""
    if text.lower() in MACROS:
        return MACROS[text.lower()]
    if re.match(r"(CRON_)?TZ=", text):
        raise CronError(
            f"a time zone is no part of an expression; got {text!r}. Times are UTC: convert them, or set the "
            "zone in the cluster (timeZone of a CronJob, CRON_SCHEDULE_TIMEZONE of Kubeflow's "
            "scheduledworkflow controller)"
        )
    if found := re.fullmatch(
        r"@?every (\d+) ?(m|min|minutes?|h|hours?|d|days?)", text, re.IGNORECASE | re.ASCII
    ):
        number, unit = int(found[1]), found[2][0].lower()
        whole = {"m": 60, "h": 24, "d": 1}[unit]
        if (0 < number < whole and whole % number == 0) or number == 1:
            fields = {"m": f"*/{number} * * * *", "h": f"0 */{number} * * *", "d": "0 0 * * *"}[unit]
            return fields.replace("*/1 ", "* ")
        dividers = ", ".join(
            f"{n}{unit}" for n in range(1, whole + 1) if whole % n == 0 and n < max(whole, 2)
        )
        raise CronError(
            f"every {found[1]}{unit} cannot be written as cron: the rhythm would break at the end of each "
            f"{'hour' if unit == 'm' else 'day' if unit == 'h' else 'month'}. Use every {dividers}"
        )
    if text.startswith("@") or text.lower().startswith("every"):
        raise CronError(
            f"unknown shorthand {text!r}. Use one of {', '.join(MACROS)}, every 6h, every 30m. {EXAMPLE}"
        )
    return text


def _second(text: str) -> int:
    if not re.fullmatch("[0-9]+", text) or int(text) > 59:
        raise CronError(
            f"second: got {text!r}; allowed is one number from 0 to 59, because anything else starts several "
            "runs a minute. In six fields the first is the second: use 0"
        )
    return int(text)


def _values(field: _Field, text: str) -> frozenset[int]:
    """Returns the values that a field's text stands for, as robfig/cron reads it."""
    values: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"(?:([*?])|(\w+)(?:-(\w+))?)(?:/(\d+))?", part, re.ASCII)
        if not found:
            raise _wrong(field, text, "a part is a value, a range a-b, or * and each with a step as in */15")
        star, first, last, step = found.groups()
        low = field.low if star else _value(field, first, text)
        high = field.high if star else _value(field, last, text) if last else low
        if step and not last:
            high = field.high  # 5/15 means 5-59/15
        if low > high:
            raise _wrong(
                field, text, f"the range {first}-{last} runs backwards; write it as two, with a comma"
            )
        if step and int(step) == 0:
            raise _wrong(field, text, "a step of 0 never moves on")
        if step and int(step) > field.high - field.low:
            raise _wrong(
                field, text, f"a step of {step} leaves the field at once, so that only {low} is left"
            )
        values.update(range(low, high + 1, int(step or 1)))
    return frozenset(values)


def _value(field: _Field, text: str, whole: str) -> int:
    value = field.names.get(text.lower(), int(text) if text.isdecimal() else None)
    if value is None:
        special = re.search("[LW]", text)
        hint = "L, W and # are unknown to Kubernetes and Kubeflow" if special else f"{text!r} is no value"
        raise _wrong(field, whole, hint)
    if not field.low <= value <= field.high:
        sunday = "; Sunday is 0" if field.names is WEEKDAYS and value == 7 else ""
        raise _wrong(field, whole, f"{value} is out of bounds{sunday}")
    return value


def _wrong(field: _Field, text: str, why: str) -> CronError:
    return CronError(
        f"{field.name}: got {text!r}: {why}. Allowed: {field.allowed}, *, lists, ranges and steps"
    )
