"""When a cron expression comes due, in words."""

from collections.abc import Sequence

WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
MANY = 4  # more times of day than these are not listed one by one


def in_words(second: int, fields: Sequence[str], values: Sequence[frozenset[int]]) -> str:
    """Returns words such as "at 03:00 every Monday".

    Args:
      second: 0 to 59.
      fields: minute, hour, day of month, month, day of week, as they were written.
      values: the values of each field.
    """
    minutes, hours, days, months, weekdays = (sorted(numbers) for numbers in values)
    time = _time(second, minutes, hours)
    if not is_free(fields[2]) and not is_free(fields[4]):  # then a day that fits either is taken
        day = f"{_days(days)}, and{_weekdays(weekdays)}"
    elif len(weekdays) < 7:
        day = _weekdays(weekdays)
    elif len(days) < 31:
        day = _days(days)
    else:
        day = "" if "every" in time else " every day"
    month = "" if len(months) == 12 else f" in {_listed(months, [MONTHS[number - 1] for number in months])}"
    return time + day + month


def is_free(field: str) -> bool:
    """Says whether a field as it was written leaves everything open."""
    return any(part in ("*", "?", "*/1", "?/1") for part in field.split(","))


def _time(second: int, minutes: list[int], hours: list[int]) -> str:
    seconds = f":{second:02}" if second else ""
    if len(minutes) * len(hours) <= MANY:
        times = [f"{hour:02}:{minute:02}{seconds}" for hour in hours for minute in minutes]
        return f"at {_and(times)}"
    at_second = f" at second {second}" if second else ""
    every_minutes, every_hours = _step(minutes, 60), _step(hours, 24)
    if every_minutes:
        minute = "every minute" if every_minutes == 1 else f"every {every_minutes} minutes"
        return minute + at_second + ("" if every_hours == 1 else f" of the hours {_listed(hours)}")
    if every_hours and minutes == [0]:
        return ("every hour" if every_hours == 1 else f"every {every_hours} hours from 00:00") + at_second
    minute = f"at minute{'s' if len(minutes) > 1 else ''} {_listed(minutes)}"
    return minute + at_second + (" of every hour" if every_hours == 1 else f" of the hours {_listed(hours)}")


def _step(numbers: list[int], whole: int) -> int:
    """Returns the constant distance of numbers that come round evenly from 0, or 0 when they do not."""
    step = whole // len(numbers)
    return step if len(numbers) > 1 and numbers == list(range(0, whole, step)) and whole % step == 0 else 0


def _days(days: list[int]) -> str:
    return f" on day{'s' if len(days) > 1 else ''} {_listed(days)} of the month"


def _weekdays(weekdays: list[int]) -> str:
    names = [WEEKDAYS[number] for number in weekdays]
    listed = _listed(weekdays, names)
    return f" {listed}" if " to " in listed else f" every {listed}"


def _listed(numbers: list[int], names: Sequence[str] = ()) -> str:
    """Returns "1, 3 and 5", or "1 to 5" for three or more that follow each other."""
    words = list(names) or [str(number) for number in numbers]
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{words[0]} to {words[-1]}"
    return _and(words)


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
