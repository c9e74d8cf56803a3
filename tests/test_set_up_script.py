"""requirements/set_up.sh: finds a Python that runs, and sets up once.

uv, which downloads, is replaced by a script that writes down its arguments; everything else is real.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import venv

import pytest

from tests.tiny_checkout import Checkout, write_script


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path / "headstart")


@pytest.fixture
def checkout_with_python(checkout):
    checkout.add_python("python3.10")
    return checkout


def test_environment_is_made_from_the_lock_with_hashes(checkout_with_python):
    assert checkout_with_python.set_up().returncode == 0
    make_venv, wheel, lock, editable = checkout_with_python.take_uv_calls()
    python = checkout_with_python.bin / "python3.10"
    assert make_venv == f"venv --quiet --clear --python {python} .venvs/default"
    assert wheel.endswith("--no-deps --no-index --find-links requirements/wheels pyfarmhash")
    assert "--no-deps --require-hashes" in lock
    assert lock.endswith("-r requirements/tfx-1.16.txt")
    assert editable.endswith("--no-deps --no-build-isolation --editable .")
    assert checkout_with_python.link == ".venvs/default"


def test_second_call_does_nothing(checkout_with_python):
    checkout_with_python.set_up()
    checkout_with_python.take_uv_calls()
    assert checkout_with_python.does_nothing()
    assert checkout_with_python.take_uv_calls() == []


@pytest.mark.parametrize("changed", ["requirements/tfx-1.16.txt", "setup.py"])
def test_changed_input_sets_up_again(checkout_with_python, changed):
    checkout_with_python.set_up()
    checkout_with_python.take_uv_calls()
    (checkout_with_python.root / changed).write_text("# another\n")
    assert checkout_with_python.set_up().returncode == 0
    assert len(checkout_with_python.take_uv_calls()) == 4


def test_moved_checkout_is_set_up_again(checkout_with_python, tmp_path):
    checkout_with_python.set_up()
    moved = tmp_path / "moved"
    checkout_with_python.root.rename(moved)
    script = moved / "requirements" / "set_up.sh"
    path = f"{moved}/bin:{moved}/tools"
    subprocess.run([script], env={"PATH": path}, check=True, capture_output=True)
    assert len((moved / "uv_calls").read_text().splitlines()) == 8


def test_checkout_that_is_called_by_another_path_is_the_same(checkout_with_python, tmp_path):
    checkout_with_python.set_up()
    checkout_with_python.take_uv_calls()
    (tmp_path / "alias").symlink_to(checkout_with_python.root)
    command = checkout_with_python.command()
    subprocess.run(**command | {"args": tmp_path / "alias" / "requirements" / "set_up.sh"}, check=True)
    assert checkout_with_python.take_uv_calls() == []


def test_interrupted_set_up_is_not_taken_for_complete(checkout_with_python):
    (checkout_with_python.root / "uv_is_slow").touch()
    process = subprocess.Popen(
        **checkout_with_python.command(),
        start_new_session=True,
        # Tests that run in the background of a shell inherit a Ctrl-C that is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not (checkout_with_python.root / ".venvs" / "default").exists():
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does
    process.communicate()
    assert process.returncode != 0
    (checkout_with_python.root / "uv_is_slow").unlink()
    checkout_with_python.take_uv_calls()

    assert checkout_with_python.set_up().returncode == 0
    assert len(checkout_with_python.take_uv_calls()) == 4
    assert checkout_with_python.link == ".venvs/default"


def test_set_up_that_fails_after_a_good_one_is_not_taken_for_complete(checkout_with_python):
    lock = checkout_with_python.root / "requirements" / "tfx-1.16.txt"
    original = lock.read_text()
    checkout_with_python.set_up()
    lock.write_text("# another\n")
    (checkout_with_python.root / "uv_fails").touch()
    assert checkout_with_python.set_up().returncode != 0
    (checkout_with_python.root / "uv_fails").unlink()
    checkout_with_python.take_uv_calls()

    lock.write_text(original)
    checkout_with_python.set_up()
    assert len(checkout_with_python.take_uv_calls()) == 4


def test_of_two_calls_at_once_one_sets_up_and_the_other_waits(checkout_with_python):
    (checkout_with_python.root / "uv_is_slow").touch()
    calls = [subprocess.Popen(**checkout_with_python.command()) for _ in range(2)]
    outputs = "".join(call.communicate()[0] for call in calls)
    assert [call.returncode for call in calls] == [0, 0]
    assert outputs.count("Setting up .venvs/default") == 1
    assert outputs.count("Another call is setting up in this folder; waiting for it.") == 1
    assert len(checkout_with_python.take_uv_calls()) == 4


def test_shim_that_fails_is_passed_over_for_a_version_of_pyenv(checkout):
    checkout.add_python("python3.10", text="echo 'pyenv: python3.10: command not found' >&2; exit 127")
    real = checkout.pyenv / "versions" / "3.10.13" / "bin" / "python3.10"
    write_script(real, f"#!/bin/bash\necho {real}\n")
    assert checkout.set_up().returncode == 0
    assert f"--python {real} .venvs/default" in checkout.take_uv_calls()[0]


def test_python_that_uv_downloaded_before_is_found_without_the_network(checkout):
    builds = checkout.root / ".local" / "share" / "uv" / "python"
    real = builds / "cpython-3.10.19-linux-x86_64-gnu" / "bin" / "python3.10"
    write_script(real, f"#!/bin/bash\necho {real}\n")
    assert checkout.set_up().returncode == 0
    assert f"--python {real} .venvs/default" in checkout.take_uv_calls()[0]


@pytest.mark.skipif(sys.version_info[:2] != (3, 10), reason="needs a real Python 3.10")
def test_python_of_an_active_virtual_environment_stands_for_the_one_it_was_made_from(checkout):
    venv.create(checkout.root / "active")
    shutil.copytree(checkout.root / "active" / "bin", checkout.bin, symlinks=True, dirs_exist_ok=True)
    shutil.copy(checkout.bin / "python3", checkout.bin / "python3.10", follow_symlinks=False)
    shutil.copy(checkout.root / "active" / "pyvenv.cfg", checkout.root)
    assert checkout.set_up().returncode == 0
    assert f"--python {sys.base_prefix}/bin/python3.10 .venvs/default" in checkout.take_uv_calls()[0]


def test_without_any_python3_it_says_what_to_install(checkout):
    (checkout.tools / "python3").unlink()
    answer = checkout.set_up()
    assert answer.returncode == 1
    assert "Setting up needs a python3 with venv and pip." in answer.stderr
