"""Errors that are part of the product's behaviour rather than faults in it."""


class RunStopped(Exception):
    """A step decided that the run must not go on; the message tells the user why and what to do.

    Raised where the data or the model's inputs are at fault. The local runner prints the message
    without a traceback; in a cluster it is the last line of the step's log.
    """


class NotBlessed(RunStopped):
    """The model may not serve. Every step did its work: the run ends so that nobody misses it."""
