"""requirements/set_up.sh: finds a Python that runs, and sets up once, for the default and the current stack.

uv, which downloads, is replaced by a script that writes down its arguments; everything else is real.
"""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

UV = """#!/bin/bash
echo "$@" >>uv_calls
case "$1" in
  python) exit 1 ;;  # no Python to download
  venv) made="${@: -1}/bin" && rm -rf "${@: -1}" && mkdir -p "$made" && cp "$0" "$made/python" ;;
  pip) [ ! -e uv_fails ] ;;
esac
"""


def write_script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


class Checkout:
    """A folder with the real set_up.sh, a small lock, and the stand-in for uv."""

    def __init__(self, root: Path, tools: Path):
        self.root = root
        self.tools = tools
        self.bin = root / "bin"
        self.pyenv = root / "pyenv"
        self.lock = root / "requirements" / "tfx-1.16.txt"
        (root / "requirements" / "wheels").mkdir(parents=True)
        shutil.copy(ROOT / "requirements" / "set_up.sh", root / "requirements")
        write_script(root / "requirements" / "uv.sh", UV)
        self.lock.write_text("tfx==1.16.0\n")
        (root / "requirements" / "tfx-1.21.txt").write_text("tfx==1.21.0\n")
        (root / "setup.py").write_text("")

    def add_python(self, path: Path, text: str = "") -> None:
        """Puts a python3.10 at `path` that answers with its own path, or runs `text` instead."""
        write_script(path, f"#!/bin/bash\n{text or f'echo {path}'}\n")

    def set_up(self, *stack: str) -> subprocess.CompletedProcess:
        env = {"PATH": f"{self.bin}:{self.tools}", "HOME": str(self.root), "PYENV_ROOT": str(self.pyenv)}
        return subprocess.run(
            [self.root / "requirements" / "set_up.sh", *stack],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )

    def take_uv_calls(self) -> list[str]:
        """Returns the calls of uv since the last time this was asked."""
        calls = self.root / "uv_calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return lines


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """A folder with the commands of this machine, without its Pythons."""
    folder = tmp_path_factory.mktemp("tools")
    commands = {file.name: file for place in ("/bin", "/usr/bin") for file in Path(place).iterdir()}
    for name, file in commands.items():
        if not name.startswith("python"):
            (folder / name).symlink_to(file)
    return folder


@pytest.fixture
def checkout(tmp_path, tools):
    return Checkout(tmp_path, tools)


@pytest.fixture
def checkout_with_python(checkout):
    checkout.add_python(checkout.bin / "python3.10")
    return checkout


def test_environment_is_made_from_the_lock_with_hashes(checkout_with_python):
    assert checkout_with_python.set_up().returncode == 0
    make_venv, wheels, lock, editable = checkout_with_python.take_uv_calls()
    assert make_venv == f"venv --quiet --clear --python {checkout_with_python.bin}/python3.10 .venv"
    assert "requirements/wheels/" in wheels
    assert "--no-deps --require-hashes" in lock
    assert lock.endswith("-r requirements/tfx-1.16.txt")
    assert editable.endswith("--no-deps --no-build-isolation --editable .")


def test_second_call_does_nothing(checkout_with_python):
    checkout_with_python.set_up()
    checkout_with_python.take_uv_calls()
    second = checkout_with_python.set_up()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert checkout_with_python.take_uv_calls() == []


@pytest.mark.parametrize("changed", ["requirements/tfx-1.16.txt", "setup.py"])
def test_changed_input_sets_up_again(checkout_with_python, changed):
    checkout_with_python.set_up()
    checkout_with_python.take_uv_calls()
    (checkout_with_python.root / changed).write_text("# another\n")
    assert checkout_with_python.set_up().returncode == 0
    assert len(checkout_with_python.take_uv_calls()) == 4


def test_interrupted_set_up_is_not_taken_for_complete(checkout_with_python):
    (checkout_with_python.root / "uv_fails").touch()
    assert checkout_with_python.set_up().returncode != 0
    (checkout_with_python.root / "uv_fails").unlink()
    checkout_with_python.take_uv_calls()
    assert checkout_with_python.set_up().returncode == 0
    assert len(checkout_with_python.take_uv_calls()) == 4


def test_set_up_that_fails_after_a_good_one_is_not_taken_for_complete(checkout_with_python):
    original = checkout_with_python.lock.read_text()
    checkout_with_python.set_up()
    checkout_with_python.lock.write_text("# another\n")
    (checkout_with_python.root / "uv_fails").touch()
    checkout_with_python.set_up()
    (checkout_with_python.root / "uv_fails").unlink()
    checkout_with_python.take_uv_calls()

    checkout_with_python.lock.write_text(original)
    checkout_with_python.set_up()
    assert len(checkout_with_python.take_uv_calls()) == 4


def test_shim_that_fails_is_passed_over_for_a_version_of_pyenv(checkout):
    checkout.add_python(
        checkout.bin / "python3.10", text="echo 'pyenv: python3.10: command not found' >&2; exit 127"
    )
    real = checkout.pyenv / "versions" / "3.10.13" / "bin" / "python3.10"
    checkout.add_python(real)
    assert checkout.set_up().returncode == 0
    assert f"--python {real} .venv" in checkout.take_uv_calls()[0]


@pytest.mark.skipif(sys.version_info[:2] != (3, 10), reason="needs a real Python 3.10")
def test_python_of_an_active_virtual_environment_stands_for_the_one_it_was_made_from(checkout):
    venv.create(checkout.root / "active")
    checkout.bin.symlink_to(checkout.root / "active" / "bin")
    shutil.copy(checkout.bin / "python3", checkout.bin / "python3.10", follow_symlinks=False)
    assert checkout.set_up().returncode == 0
    assert f"--python {sys.base_prefix}/bin/python3.10 .venv" in checkout.take_uv_calls()[0]


def test_no_python_anywhere_gives_one_message_with_the_ways_to_get_one(checkout):
    checkout.add_python(checkout.bin / "python3.10", text="exit 127")
    answer = checkout.set_up()
    assert answer.returncode == 1
    assert "needs Python 3.10, and none that runs was found" in answer.stderr
    for way in (
        "apt-get install python3.10",
        "ppa:deadsnakes/ppa",
        "pyenv install 3.10",
        "uv.sh python install",
    ):
        assert way in answer.stderr
    assert checkout.take_uv_calls() == ["python install --no-bin 3.10"]
    assert not (checkout.root / ".venv").exists()


def add_python_with_headers(checkout: Checkout, name: str) -> None:
    """Puts a Python on PATH that answers with its path, or with the folder of its headers."""
    path, headers = checkout.bin / name, checkout.root / "include"
    checkout.add_python(path, text=f'case "$2" in *sysconfig*) echo {headers} ;; *) echo {path} ;; esac')


@pytest.fixture
def newer_machine(checkout):
    """A machine with glibc 2.41, a compiler, and a Python 3.13 with its headers; uv has no Python."""
    write_script(checkout.bin / "getconf", "#!/bin/bash\necho glibc 2.41\n")
    write_script(checkout.bin / "c++", "#!/bin/bash\n")
    headers = checkout.root / "include" / "Python.h"
    headers.parent.mkdir()
    headers.touch()
    add_python_with_headers(checkout, "python3.13")
    return checkout


def test_the_current_stack_has_an_environment_and_a_lock_of_its_own(newer_machine):
    assert newer_machine.set_up("current").returncode == 0
    make_venv, lock, editable = newer_machine.take_uv_calls()
    assert make_venv == f"venv --quiet --clear --python {newer_machine.bin}/python3.13 .venv-current"
    assert lock.endswith("-r requirements/tfx-1.21.txt")
    assert "--python .venv-current" in editable
    assert newer_machine.set_up("current").stdout == ""


def test_an_older_python_will_do_for_the_current_stack(newer_machine):
    (newer_machine.bin / "python3.13").unlink()
    add_python_with_headers(newer_machine, "python3.11")
    newer_machine.set_up("current")
    assert f"--python {newer_machine.bin}/python3.11 .venv-current" in newer_machine.take_uv_calls()[0]


@pytest.mark.parametrize(("version", "has"), [("glibc 2.36", "2.36"), ("", "another C library")])
def test_the_current_stack_says_which_c_library_it_needs_and_which_there_is(newer_machine, version, has):
    write_script(newer_machine.bin / "getconf", f"#!/bin/bash\necho {version}\n")
    answer = newer_machine.set_up("current")
    assert answer.returncode == 1
    assert f"needs glibc 2.39 or later, and this machine has {has}" in answer.stderr
    assert "Debian 13" in answer.stderr
    assert newer_machine.take_uv_calls() == []


def test_the_current_stack_says_when_headers_are_missing(newer_machine):
    (newer_machine.root / "include" / "Python.h").unlink()
    answer = newer_machine.set_up("current")
    assert answer.returncode == 1
    assert "apt-get install g++ python3-dev" in answer.stderr
    assert not (newer_machine.root / ".venv-current").exists()


def test_an_unknown_stack_is_refused_with_those_there_are(checkout):
    answer = checkout.set_up("newest")
    assert answer.returncode == 1
    assert "STACK is default (TFX 1.16 on Python 3.10) or current" in answer.stderr
    assert "not 'newest'" in answer.stderr
