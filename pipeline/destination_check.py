"""What `check` says about the push destination: whose it is, and what lies there without a push."""

from components.pusher import history
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
    """Returns notes on what no push left in the destination: a model server may take it for a version."""
    try:
        found = strangers(config.push.destination)
    except OSError:
        return []
    more = [f"and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
    return [f"push.destination: {line}" for line in [*found[:_NAMED], *more]]
