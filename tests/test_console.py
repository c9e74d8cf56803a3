"""What a person sees while a run goes on, and what only the log gets."""

import subprocess
import sys

SCRIPT = """
import logging, os, pathlib, sys, warnings
from pipeline.console import quiet_console
with quiet_console(pathlib.Path(sys.argv[1])) as console:
    console.print("step 1")
    os.write(2, b"native noise\\n")
    print("python noise")
    warnings.warn("a warning")
    logging.getLogger("tfx").info("tfx noise")
    logging.getLogger("headstart.training").info("epoch %d", 3)
    logging.getLogger("headstart.ingest").info("set aside:\\n  a.png")
print("after")
"""


def test_only_our_own_lines_reach_the_screen_and_everything_reaches_the_log(tmp_path):
    log = tmp_path / "logs" / "run.log"
    result = subprocess.run([sys.executable, "-c", SCRIPT, log], capture_output=True, text=True, check=True)
    assert [line.strip() for line in result.stdout.splitlines()] == [
        "step 1",
        "epoch 3",
        "set aside:",
        "a.png",
        "after",
    ]
    assert "      set aside:\n        a.png\n" in result.stdout
    assert result.stderr == ""
    logged = log.read_text()
    for line in ("native noise", "python noise", "a warning", "tfx noise", "epoch 3"):
        assert line in logged


QUIET_STDERR = """
import os, sys
from pipeline.console import quiet_stderr
try:
    with quiet_stderr():
        os.write(2, b"native noise\\n")
        print("python noise", file=sys.stderr)
        raise ImportError("no library")
except ImportError as error:
    print("raised:", error, file=sys.stderr)
"""


def test_stderr_is_quiet_only_for_a_while_and_hides_no_exception():
    result = subprocess.run([sys.executable, "-c", QUIET_STDERR], capture_output=True, text=True, check=True)
    assert result.stderr == "raised: no library\n"
