"""Runs the probe in a process of its own, and turns every way in which it can fail into a sentence."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import components

PROBE = "components.infra_check.probe"
_STDERR_LINES = 5


class ProbeFailed(Exception):
    """The model could not be loaded, crashed or hung; the message says which."""


def run_probe(model_dir: str | Path, images: list[bytes], timeout_seconds: float) -> dict:
    """Returns what the probe answers for the images, see probe.main.

    Args:
      model_dir: folder of a SavedModel.
      images: encoded images.
      timeout_seconds: for starting, loading and answering together.

    Raises:
      ProbeFailed: when there is no answer.
    """
    with tempfile.TemporaryDirectory(prefix="headstart-infra-check-") as scratch:
        images_dir, answers_file = Path(scratch) / "images", Path(scratch) / "answers.json"
        images_dir.mkdir()
        for number, image in enumerate(images):
            (images_dir / f"{number:06}").write_bytes(image)
        root = str(Path(components.__file__).resolve().parent.parent)
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
        environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        command = [sys.executable, "-m", PROBE, str(model_dir), str(images_dir), str(answers_file)]
        try:
            process = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=timeout_seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise ProbeFailed(
                f"the model gave no answer within {timeout_seconds:g} s (infra_check.timeout_seconds)"
            ) from None
        if process.returncode != 0:
            raise ProbeFailed(f"{how_it_ended(process.returncode)}: {_last_lines(process.stderr)}")
        return json.loads(answers_file.read_text(encoding="utf-8"))


def how_it_ended(return_code: int) -> str:
    """Returns a sentence on a process that failed; a negative code is the signal that ended it."""
    if return_code < 0:
        name = signal.Signals(-return_code).name
        hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"the process that served the model was ended by {name}{hint}"
    return f"the process that served the model ended with exit code {return_code}"


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-_STDERR_LINES:]) or "it printed nothing"
