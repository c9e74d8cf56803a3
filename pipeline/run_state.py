"""What the last run of an output folder left behind: enough to know that nothing has changed since."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from pipeline import __version__

STATE_FILE = "state.json"


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


def versions() -> dict[str, str]:
    """Returns the versions of the packages that a result depends on."""
    packages = (
        "tfx",
        "tensorflow",
        "keras",
        "tensorflow-transform",
        "tensorflow-model-analysis",
        "apache-beam",
    )
    return {"headstart": __version__, **{package: metadata.version(package) for package in packages}}


def write_state(output: Path, state: dict) -> None:
    """Replaces the state of the output folder at once."""
    temporary = output / f".{STATE_FILE}"
    temporary.write_text(json.dumps(state, indent=2, sort_keys=True), encoding="utf-8")
    temporary.replace(output / STATE_FILE)


def read_state(output: Path) -> dict:
    """Returns the state of the last finished run, or an empty dict when there is none that can be read."""
    try:
        return json.loads((output / STATE_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
