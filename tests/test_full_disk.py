"""A disk that is really full: a small tmpfs. Where none can be mounted, these tests are skipped."""

import contextlib
import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from modules.store import ArrayStore
from pipeline import local_runner
from pipeline.full_disk import DiskFull
from tests.test_check import make_config


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted: {mounted.stderr.decode()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_run_on_a_full_disk_names_it(small_disk, tmp_path):
    with contextlib.suppress(OSError), open(small_disk / "filler", "wb", 0) as filler:
        while filler.write(bytes(4096)):
            pass
    config = dataclasses.replace(make_config(tmp_path), output=str(small_disk / "out"))
    with pytest.raises(DiskFull, match=rf"the disk that holds {small_disk}/out is full \(0 MB are free\)"):
        local_runner.run(config, "fingerprint")


def test_an_array_that_finds_no_room_is_an_error_not_the_end_of_the_process(small_disk):
    with pytest.raises(OSError, match="No space left"):
        ArrayStore(str(small_disk / "store"), "disk").allocate("pixels", (1 << 20,), np.uint8)[:] = 1


LOGGING = """
import logging, pathlib
from pipeline.console import quiet_console
with quiet_console(pathlib.Path("/dev/full")) as console:
    print("for the log")
    logging.info("for the log")
    console.print("for a person")
print("afterwards")
"""


def test_a_log_without_room_takes_nothing_from_the_screen():
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run([sys.executable, "-c", LOGGING], env=buffered, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "for a person\nafterwards\n", "")
