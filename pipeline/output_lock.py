"""The lock on an output folder: one run at a time writes to it."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class OutputInUse(Exception):
    """Another run is writing to the same output folder."""


@contextlib.contextmanager
def exclusive(output: Path) -> Iterator[None]:
    """Holds the output folder for this process; the lock vanishes with the process, however it ends.

    Raises:
      OutputInUse: when another process holds it.
    """
    output.mkdir(parents=True, exist_ok=True)
    with open(output / ".lock", "a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise OutputInUse(
                f"output: another run (process {lock.read().strip() or 'unknown'}) is writing to {output}. "
                "Wait for it, stop it, or use another output folder with --set output=FOLDER."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
