"""What `check` says about the push destination: whose it is, and what lies there without a push."""

from components.pusher import history, withdrawals
from components.pusher.strangers import strangers
from pipeline.config import Config
from pipeline.problems import Problem

_NAMED = 5


def another_pipeline(config: Config) -> list[Problem]:
    """Returns a problem when another pipeline pushes its models to the same destination."""
    try:
        reason = history.another_pipeline(config.push.destination, config.name)
    except OSError:  # what cannot be read is a problem already
        return []
    return [Problem("push.destination", reason)] if reason else []


def strangers_in_destination(config: Config) -> list[str]:
    """Returns notes on what should not be there: a model server takes any number for a version."""
    try:
        found = strangers(config.push.destination)
        withdrawn = withdrawals.serving_although_withdrawn(config.push.destination)
    except OSError:
        return []
    lines = [f"{withdrawn}: let another one serve with `headstart rollback`"] if withdrawn else []
    lines += found[:_NAMED] + ([f"and {len(found) - _NAMED} more"] if len(found) > _NAMED else [])
    return [f"push.destination: {line}" for line in lines]
