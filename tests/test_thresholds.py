"""Thresholds as a person types them for a run in a cluster: what is read, and what is refused in one line."""

import pytest

from components.evaluator.thresholds import parse_thresholds


def test_bounds_are_read_by_metric_and_the_others_are_not_set():
    text = '{"accuracy": {"at_least": 0.8, "change_at_least": -0.01}, "cross_entropy": {"at_most": 2.5}}'
    nothing = {"at_least": None, "at_most": None, "change_at_least": None, "change_at_most": None}
    assert parse_thresholds(text) == {
        "accuracy": nothing | {"at_least": 0.8, "change_at_least": -0.01},
        "cross_entropy": nothing | {"at_most": 2.5},
    }
    assert parse_thresholds("{}") == {}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{accuracy: 0.8}", "it is not JSON (Expecting property name enclosed in double quotes"),
        ("", "it is not JSON"),
        ("[]", "must be an object that gives each metric its bounds"),
        ('{"acuracy": {"at_least": 0.8}}', "unknown metric 'acuracy'"),
        ('{"accuracy": 0.8}', "accuracy: must be an object with bounds"),
        ('{"accuracy": {"least": 0.8}}', "accuracy.least: unknown bound; use at_least"),
        ('{"accuracy": {"at_least": "high"}}', "accuracy.at_least: must be a number"),
        ('{"accuracy": {"at_least": 80}}', "accuracy: at_least must lie between 0 and 1"),
        ('{"accuracy": {"at_most": 0.8}}', "accuracy: more is better, so at_most would refuse good models"),
        ('{"accuracy": {}}', "accuracy: give a bound"),
    ],
)
def test_a_mistyped_text_is_refused_in_one_line_that_says_what_is_allowed(text, wrong):
    with pytest.raises(ValueError, match="thresholds: ") as refused:
        parse_thresholds(text)
    message = str(refused.value)
    assert message.startswith(f"thresholds: {wrong}")
    assert f"Received {text!r}" in message
    assert "balanced_accuracy" in message
    assert "\n" not in message
