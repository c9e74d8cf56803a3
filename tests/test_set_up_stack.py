"""requirements/set_up.sh: which stack it takes, where its environment lies, and where .venv leads."""

import subprocess
from pathlib import Path

import pytest

from tests.tiny_checkout import Checkout, write_script

ROOT = Path(__file__).parents[1]


@pytest.fixture
def old_machine(tmp_path):
    """A machine with glibc 2.36, as Debian 12, and none of the Pythons; uv cannot download."""
    return Checkout(tmp_path / "headstart", "glibc 2.36")


@pytest.fixture
def new_machine(tmp_path):
    """A machine with glibc 2.41 and Python 3.13, as Debian 13; uv cannot download."""
    checkout = Checkout(tmp_path / "headstart", "glibc 2.41")
    checkout.add_python("python3.13")
    return checkout


def test_the_default_stack_comes_first_where_its_python_is(new_machine):
    new_machine.add_python("python3.10")
    assert new_machine.set_up().returncode == 0
    assert new_machine.take_uv_calls()[0].endswith(f"{new_machine.bin}/python3.10 .venvs/default")


def test_the_current_stack_is_taken_where_only_that_fits(new_machine):
    assert new_machine.set_up().returncode == 0
    make_venv, wheel, lock, editable = new_machine.take_uv_calls()
    assert make_venv == f"venv --quiet --clear --python {new_machine.bin}/python3.13 .venvs/current"
    assert wheel.endswith("--find-links requirements/wheels pyfarmhash")
    assert lock.endswith("-r requirements/tfx-1.21.txt")
    assert "--python .venvs/current" in editable
    assert new_machine.link == ".venvs/current"
    assert new_machine.does_nothing()


def test_the_newest_python_of_the_current_stack_is_taken(new_machine):
    new_machine.add_python("python3.11")
    new_machine.add_python("python3.12")
    (new_machine.bin / "python3.13").unlink()
    new_machine.set_up()
    assert f"--python {new_machine.bin}/python3.12 .venvs/current" in new_machine.take_uv_calls()[0]


def test_python_3_10_is_downloaded_where_neither_stack_has_a_python(new_machine):
    (new_machine.bin / "python3.13").unlink()
    new_machine.add_python("python3.14")
    (new_machine.root / "uv_reaches_github").touch()
    write = new_machine.root / "downloaded"
    write.mkdir()
    (write / "python3.10").symlink_to("/bin/true")
    assert new_machine.set_up().returncode == 0
    install, find, make_venv, *_ = new_machine.take_uv_calls()
    assert install == "python install --no-bin 3.10"
    assert find == "python find --quiet --managed-python 3.10"
    assert make_venv.endswith(f"--python {write}/python3.10 .venvs/default")


def test_the_stack_that_is_set_up_already_stays(new_machine):
    new_machine.set_up()
    new_machine.take_uv_calls()
    new_machine.add_python("python3.10")
    assert new_machine.does_nothing()
    (new_machine.root / "requirements" / "tfx-1.21.txt").write_text("# another\n")
    new_machine.set_up()
    assert new_machine.take_uv_calls()[0].endswith(".venvs/current")


def test_the_stack_that_is_set_up_already_is_the_one_without_the_link_too(new_machine):
    new_machine.set_up()
    new_machine.take_uv_calls()
    new_machine.add_python("python3.10")
    (new_machine.root / ".venv").unlink()
    assert new_machine.set_up().returncode == 0
    assert new_machine.link == ".venvs/current"
    assert new_machine.take_uv_calls() == []


def test_a_named_stack_leaves_the_link_where_it_leads(new_machine):
    new_machine.add_python("python3.10")
    new_machine.set_up()
    new_machine.set_up("current")
    assert (new_machine.root / ".venvs" / "current" / "made-from").exists()
    assert new_machine.link == ".venvs/default"
    new_machine.take_uv_calls()
    assert new_machine.does_nothing()
    assert new_machine.does_nothing("current")
    assert new_machine.take_uv_calls() == []


def test_of_two_stacks_that_are_set_up_the_one_that_the_link_leads_to_stays(new_machine):
    new_machine.add_python("python3.10")
    new_machine.set_up("current")
    new_machine.set_up("default")
    assert new_machine.link == ".venvs/current"
    assert new_machine.does_nothing()
    (new_machine.root / "requirements" / "tfx-1.21.txt").write_text("# another\n")
    new_machine.take_uv_calls()
    new_machine.set_up()
    assert new_machine.take_uv_calls()[0].endswith(".venvs/current")


def test_a_named_stack_makes_the_link_where_there_is_none(new_machine):
    new_machine.add_python("python3.10")
    new_machine.set_up("current")
    assert new_machine.link == ".venvs/current"
    new_machine.take_uv_calls()
    assert new_machine.does_nothing()


def test_a_link_to_an_environment_that_was_removed_counts_for_nothing(new_machine):
    (new_machine.root / ".venv").symlink_to(".venvs/default")
    assert new_machine.set_up().returncode == 0
    assert new_machine.link == ".venvs/current"


def test_an_environment_whose_python_is_gone_is_made_anew(new_machine):
    new_machine.add_python("python3.10")
    new_machine.set_up()
    new_machine.take_uv_calls()
    python = new_machine.root / ".venvs" / "default" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3.10")
    assert new_machine.set_up().returncode == 0
    assert new_machine.take_uv_calls()[0].endswith("python3.10 .venvs/default")


@pytest.mark.parametrize(("folder", "stack"), [(".venv", "default"), (".venv-current", "current")])
def test_the_folder_of_an_older_version_becomes_the_stacks_own(new_machine, folder, stack):
    new_machine.add_python("python3.10")
    old = new_machine.root / folder / "bin" / "python"
    old.parent.mkdir(parents=True)
    old.touch()
    assert new_machine.set_up().returncode == 0
    assert new_machine.take_uv_calls()[0].endswith(f".venvs/{stack}")
    assert new_machine.link == f".venvs/{stack}"
    assert not (new_machine.root / ".venv-current").exists()


def test_the_folder_of_an_older_version_serves_on_when_setting_up_fails(old_machine):
    old = old_machine.root / ".venv" / "bin" / "headstart"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    assert old_machine.set_up().returncode == 1
    assert old.read_text() == "old"
    assert old_machine.link == ".venvs/default"


def test_a_named_stack_leaves_the_default_one_of_an_older_version_where_the_readme_calls_it(new_machine):
    old = new_machine.root / ".venv" / "bin" / "headstart"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    assert new_machine.set_up("current").returncode == 0
    assert old.read_text() == "old"


def test_where_nothing_fits_one_message_names_every_way_out(old_machine):
    old_machine.add_python("python3.10", text="exit 127")
    old_machine.add_python("python3.11")
    answer = old_machine.set_up()
    assert answer.returncode == 1
    for sentence in (
        "this machine can carry neither stack yet",
        "The default stack (TFX 1.16) lacks a Python 3.10 that runs.",
        "The current stack (TFX 1.21) lacks glibc 2.39 or later (this machine has 2.36).",
        "uv could not download Python 3.10: see above.",
        "apt-get install python3.10",
        "ppa:deadsnakes/ppa",
        "pyenv install 3.10",
        "uv.sh python install 3.10",
        "Debian 13, Ubuntu 24.04   sudo apt-get install python3",
        "kubernetes/README.md",
    ):
        assert sentence in answer.stderr
    assert old_machine.take_uv_calls() == ["python install --no-bin 3.10"]
    assert not (old_machine.root / ".venvs").exists()


@pytest.mark.parametrize(("version", "has"), [("glibc 2.36", "2.36"), ("", "another C library")])
def test_the_current_stack_says_which_c_library_it_needs_and_which_there_is(new_machine, version, has):
    new_machine.add_python("python3.10")
    new_machine.set_glibc(version)
    answer = new_machine.set_up("current")
    assert answer.returncode == 1
    assert "this machine cannot carry the current stack yet" in answer.stderr
    assert f"lacks glibc 2.39 or later (this machine has {has})" in answer.stderr
    assert new_machine.take_uv_calls() == []


def test_a_named_stack_that_does_not_fit_points_to_the_one_that_does(new_machine):
    answer = new_machine.set_up("default")
    assert answer.returncode == 1
    assert "The current stack (TFX 1.21) lacks nothing: call make with STACK=current." in answer.stderr


def test_another_processor_is_pointed_to_the_container_image(new_machine):
    write_script(new_machine.bin / "uname", "#!/bin/bash\necho Linux aarch64\n")
    answer = new_machine.set_up()
    assert answer.returncode == 1
    assert "TFX has packages for Linux on x86_64 alone, and this is Linux aarch64." in answer.stderr
    assert new_machine.take_uv_calls() == []


def test_an_unknown_stack_is_refused_with_those_there_are(old_machine):
    answer = old_machine.set_up("newest")
    assert answer.returncode == 1
    assert "STACK is default (TFX 1.16 on Python 3.10) or current" in answer.stderr
    assert "not 'newest'" in answer.stderr


@pytest.mark.parametrize(("arguments", "folder"), [([], ".venv"), (["STACK=current"], ".venvs/current")])
@pytest.mark.parametrize("target", ["run", "test", "lint", "bench", "docs", "checks"])
def test_every_target_uses_the_environment_of_the_chosen_stack(target, arguments, folder):
    command = ["make", "--no-print-directory", "--dry-run", target, *arguments]
    env = {"PATH": "/usr/bin:/bin"}
    lines = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout
    _, *rest = lines.splitlines()
    assert any(f"{folder}/bin/" in line for line in rest)
    assert not any("/bin/" in line.replace(f"{folder}/bin/", "") for line in rest)
