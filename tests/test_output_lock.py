"""The lock on an output folder, and the hashes by which a changed file is known."""

import subprocess
import sys

import pytest

from modules.file_hash import file_hash
from pipeline import output_lock


def test_a_second_process_is_told_who_uses_the_output_folder(tmp_path):
    hold = (
        "import sys, pathlib; from pipeline import output_lock\n"
        "with output_lock.exclusive(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(output_lock.OutputInUse, match=f"process {holder.pid}"),
            output_lock.exclusive(tmp_path),
        ):
            pass
        holder.kill()
        holder.wait()
    with output_lock.exclusive(tmp_path):
        pass  # the lock went with the killed process


def test_file_hash_is_the_start_of_its_sha256(tmp_path):
    (tmp_path / "weights").write_bytes(b"abc")
    assert file_hash(str(tmp_path / "weights")) == "ba7816bf8f01cfea"
