"""Cron expressions of Kubernetes and of Kubeflow: what is understood, what is refused, and their words."""

from datetime import datetime, timedelta, timezone

import pytest

from pipeline.kubeflow.cron import CronError, explain, parse, to_kfp, to_kubernetes

SATURDAY = datetime(2026, 11, 21, 7, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("expression", "kfp", "kubernetes"),
    [
        ("0 3 * * 1", "0 0 3 * * 1", "0 3 * * 1"),
        ("0 0 3 * * 1", "0 0 3 * * 1", "0 3 * * 1"),
        ("  30 1   1,15 * ?  ", "0 30 1 1,15 * ?", "30 1 1,15 * ?"),
        ("0 8-17/2 * JAN,jul MON-Fri", "0 0 8-17/2 * JAN,jul MON-Fri", "0 8-17/2 * JAN,jul MON-Fri"),
        ("@weekly", "0 0 0 * * 0", "0 0 * * 0"),
        ("@Midnight", "0 0 0 * * *", "0 0 * * *"),
        ("@yearly", "0 0 0 1 1 *", "0 0 1 1 *"),
        ("every 6h", "0 0 */6 * * *", "0 */6 * * *"),
        ("@every 30m", "0 */30 * * * *", "*/30 * * * *"),
        ("every 1 hour", "0 0 * * * *", "0 * * * *"),
        ("every 1d", "0 0 0 * * *", "0 0 * * *"),
    ],
)
def test_five_and_six_fields_become_each_other(expression, kfp, kubernetes):
    assert to_kfp(expression) == kfp
    assert to_kubernetes(expression) == kubernetes
    assert to_kfp(kfp) == kfp
    assert to_kfp(kubernetes) == kfp


def test_a_second_other_than_0_is_for_kubeflow_only():
    assert to_kfp("30 0 3 * * 1") == "30 0 3 * * 1"
    with pytest.raises(CronError, match="second: got 30; Kubernetes knows minutes only"):
        to_kubernetes("30 0 3 * * 1")


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "5 fields .* or 6 with seconds first; got 0"),
        ("0 3 * *", "got 4 in '0 3 \\* \\*'"),
        ("0 0 3 * * 1 2026", "got 7"),
        ("61 * * * *", "minute: got '61': 61 is out of bounds. Allowed: 0 to 59"),
        ("0 24 * * *", "hour: got '24': 24 is out of bounds. Allowed: 0 to 23"),
        ("0 3 0 * *", "day of month: got '0': 0 is out of bounds. Allowed: 1 to 31"),
        ("0 3 * 13 *", "month: got '13': 13 is out of bounds. Allowed: 1 to 12 or JAN"),
        ("0 3 * * 7", "day of week: got '7': 7 is out of bounds; Sunday is 0"),
        ("0 3 * * FRI-MON", "the range FRI-MON runs backwards"),
        ("0 3 * * Monday", "day of week: got 'Monday': 'Monday' is no value"),
        ("0 3 L * *", "day of month: got 'L': L, W and # are unknown"),
        ("0 3 * * 5L", "day of week: got '5L': L, W and # are unknown"),
        ("0 3 * * 1#2", "day of week: got '1#2'"),
        ("0 3 1,,2 * *", "day of month: got '1,,2'"),
        ("*/0 * * * *", "a step of 0 never moves on"),
        ("*/90 * * * *", "a step of 90 leaves the field at once"),
        ("-5 * * * *", "minute: got '-5'"),
        ("1-2-3 * * * *", "minute: got '1-2-3'"),
        ("*-5 * * * *", r"minute: got '\*-5'"),
        ("٣ 3 * * *", "minute: got"),
        ("* * * * * *", r"second: got '\*'; allowed is one number from 0 to 59"),
        ("0 0 30 2 *", "the time never comes: day 30 of month 2"),
        ("0 3 */2 * 1", "Kubeflow takes days that fit both, Kubernetes those that fit either"),
        ("0 3 1 * */2", "Kubeflow takes days that fit both"),
        ("TZ=Europe/Berlin 0 3 * * *", "a time zone is no part of an expression"),
        ("CRON_TZ=UTC 0 3 * * *", "a time zone is no part of an expression"),
        ("every 5h", "every 5h cannot be written as cron: .* Use every 1h, 2h, 3h, 4h, 6h, 8h, 12h$"),
        ("every 7m", "Use every 1m, 2m, 3m"),
        ("every 2d", "end of each month. Use every 1d"),
        ("every 0h", "every 0h cannot"),
        ("every monday", "unknown shorthand 'every monday'"),
        ("@fortnightly", "unknown shorthand"),
    ],
)
def test_what_either_side_would_refuse_or_misread_is_refused_with_its_field(expression, message):
    with pytest.raises(CronError, match=message):
        parse(expression)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 3 * * 1", "at 03:00 every Monday"),
        ("0 3 * * 1-5", "at 03:00 Monday to Friday"),
        ("0 3 * * 0-6", "at 03:00 every day"),
        ("0 3,15 * * *", "at 03:00 and 15:00 every day"),
        ("30 0 3 * * SUN,WED", "at 03:00:30 every Sunday and Wednesday"),
        ("0 3 1 * *", "at 03:00 on day 1 of the month"),
        ("0 3 1,15 2,7 ?", "at 03:00 on days 1 and 15 of the month in February and July"),
        ("0 3 1 * 1", "at 03:00 on day 1 of the month, and every Monday"),
        ("*/15 * * * *", "every 15 minutes"),
        ("* * * * *", "every minute"),
        ("*/15 8-17 * * 1-5", "every 15 minutes of the hours 8 to 17 Monday to Friday"),
        ("5/15 * * * *", "at minutes 5, 20, 35 and 50 of every hour"),
        ("0 */2 * * *", "every 2 hours from 00:00"),
        ("every 6h", "at 00:00, 06:00, 12:00 and 18:00 every day"),
        ("0 */5 * * *", "at minute 0 of the hours 0, 5, 10, 15 and 20 every day"),
        ("@hourly", "every hour"),
        ("0 3 * 6-8 *", "at 03:00 every day in June to August"),
    ],
)
def test_an_expression_is_said_in_words(expression, words):
    assert explain(expression, SATURDAY).partition("; next: ")[0] == words


@pytest.mark.parametrize(
    ("expression", "times"),
    [
        ("0 3 * * 1", "2026-11-23 03:00 UTC, 2026-11-30 03:00 UTC, 2026-12-07 03:00 UTC"),
        ("0 7 * * *", "2026-11-22 07:00 UTC, 2026-11-23 07:00 UTC, 2026-11-24 07:00 UTC"),
        ("30 0 7 * * *", "2026-11-21 07:00:30 UTC, 2026-11-22 07:00:30 UTC, 2026-11-23 07:00:30 UTC"),
        ("0 0 29 2 *", "2028-02-29 00:00 UTC, 2032-02-29 00:00 UTC, 2036-02-29 00:00 UTC"),
        ("0 3 24 * MON", "2026-11-23 03:00 UTC, 2026-11-24 03:00 UTC, 2026-11-30 03:00 UTC"),
        ("0 3 24 * 0-6", "2026-11-22 03:00 UTC, 2026-11-23 03:00 UTC, 2026-11-24 03:00 UTC"),
    ],
)
def test_the_next_three_times_follow(expression, times):
    assert explain(expression, SATURDAY).partition("; next: ")[2] == times


def test_a_step_after_a_day_of_the_week_ends_with_saturday():
    """1/2 is Monday, Wednesday, Friday; a Sunday 7, which cronsim knows, is not among them."""
    following = parse("0 3 * * 1/2").next_times(SATURDAY, 4)
    assert [time.strftime("%a") for time in following] == ["Mon", "Wed", "Fri", "Mon"]


def test_times_are_told_in_the_zone_asked_for():
    zone = timezone(timedelta(hours=-5), "EST")
    assert explain("0 3 * * 1", SATURDAY.astimezone(zone)).endswith("2026-12-07 03:00 EST")
