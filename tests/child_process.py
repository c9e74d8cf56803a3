"""Child processes that a test ends with a signal."""

import signal
import subprocess


def start(command: list[str], **options) -> subprocess.Popen:
    """Starts a process that Ctrl-C ends, even where this one ignores it.

    Under `nohup make test &` and in some CI systems SIGINT is ignored. Children inherit that, and Python then
    installs no handler. A signal that is handled here, however, is back at its default in a child (execve).
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, **options)
    finally:
        signal.signal(signal.SIGINT, before)
