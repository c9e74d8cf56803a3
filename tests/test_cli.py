"""The command line as a person meets it: exit codes, messages, and what it imports."""

import functools
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import __version__, cli, output_lock
from pipeline.cli import main
from pipeline.config_file import load_config
from tests.child_process import start
from tests.finished_runs import finish_a_run, refuse_the_data
from tests.tiny_images import write_class_folders

ROOT = Path(__file__).parent.parent
HEAVY = ("tensorflow", "tfx", "apache_beam", "keras", "tensorflow_transform", "tensorflow_model_analysis")


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A working directory with images and a config that passes check."""
    monkeypatch.chdir(tmp_path)
    write_class_folders(tmp_path / "photos", ("cat", "dog", "emu", "fox"), count=50)
    assert main(["init", "photos"]) == 0
    return tmp_path


def command_paths():
    """Returns every command and group, as arguments."""
    return [
        [],
        *([name] for name in cli.cli.commands),
        *(["list", name] for name in cli.cli.commands["list"].commands),
    ]


@pytest.mark.parametrize("command", command_paths(), ids=" ".join)
def test_every_help_has_examples(capsys, command):
    assert main([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Example" in shown
    assert "headstart " + " ".join(command) in shown


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["--version"],
        ["list", "backbones"],
        ["list", "recipes"],
        ["check", "photos.yaml"],
        ["init", "photos", "-o", "again.yaml"],
        ["run", "--help"],
        ["predict", "--help"],
        ["doctor", "--offline"],
        ["fresh", "photos.yaml"],
        ["prune", "photos.yaml", "--set", "keep.runs=1"],
    ],
    ids=" ".join,
)
def test_light_commands_import_neither_tensorflow_nor_tfx_nor_beam(workplace, command):
    program = (
        "import json, sys\n"
        "from pipeline.cli import main\n"
        f"code = main({command!r})\n"
        f"print(json.dumps([code, sorted(set({HEAVY!r}) & set(sys.modules))]), file=sys.stderr)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    code, imported = json.loads(done.stderr.splitlines()[-1])
    assert imported == []
    assert code == 0 or command[0] in ("doctor", "fresh")


@pytest.mark.parametrize(
    "command",
    [["--help"], ["list", "backbones"], ["list", "recipes"], ["check", "pipeline/configs/quickstart.yaml"]],
    ids=" ".join,
)
def test_light_commands_take_less_than_a_second(command):
    """Of the processor, so that a busy machine makes no difference."""

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *command], cwd=ROOT, check=True, capture_output=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(2)) < 1.0


def test_the_version_is_shown(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"Headstart {__version__}\n"


def test_init_check_and_the_next_command(workplace, capsys):
    assert main(["init", "photos", "-o", "my pets.yaml"]) == 0
    assert "Next: headstart check 'my pets.yaml' && headstart run 'my pets.yaml'" in capsys.readouterr().out
    assert main(["check", "my pets.yaml", "--set", "training.batch_size=8"]) == 0
    shown = capsys.readouterr().out
    assert "200 images of 4 classes" in shown
    assert shown.endswith(
        "my pets.yaml is ready. Next: headstart run 'my pets.yaml' --set training.batch_size=8\n"
    )


def test_init_refuses_to_overwrite(workplace, capsys):
    assert main(["init", "photos"]) == 2
    assert "photos.yaml exists" in capsys.readouterr().err
    assert main(["init", "photos", "--force"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runn"], "No such command 'runn'"),
        (["check"], "Missing argument 'CONFIG'"),
        (["check", "none.yaml"], "no such file"),
        (["run", "none.yaml"], "no such file"),
        (["check", "photos.yaml", "--set", "training.batch_size"], "write KEY=VALUE"),
        (["check", "photos.yaml", "--set", "training.batchsize=3"], "Did you mean training.batch_size?"),
        (["run", "photos.yaml", "--set", "data.source=nowhere"], "there is nothing at"),
        (["run", "photos.yaml", "--set", "model.weights=nowhere.h5"], "there is no file"),
        (["init", "nowhere"], "there is nothing at 'nowhere'"),
        (["predict", "photos"], "no pushed model below runs/"),
        (["predict", "photos", "--config", "photos.yaml"], "`headstart run photos.yaml` pushes one"),
        (["predict", "photos", "--model", "a", "--config", "b"], "not both"),
    ],
)
def test_a_mistake_is_answered_with_exit_code_2_and_no_traceback(workplace, capsys, arguments, message):
    capsys.readouterr()
    assert main(arguments) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown


def test_all_problems_of_a_config_are_shown_at_once(workplace, capsys):
    assert (
        main(["check", "photos.yaml", "--set", "data.source=nowhere", "--set", "validation.schema=no.pbtxt"])
        == 2
    )
    shown = capsys.readouterr().err
    assert "photos.yaml: 2 problems" in shown
    assert "data.source: there is nothing at" in shown
    assert "validation.schema: no file" in shown


@pytest.mark.parametrize(
    ("finish", "exit_code"),
    [
        (finish_a_run, 0),
        (functools.partial(finish_a_run, blessed=False), 3),
        (refuse_the_data, 4),
    ],
)
def test_run_returns_the_exit_code_of_the_run(workplace, capsys, finish, exit_code):
    """An unchanged run is answered by its summary, so nothing heavy is loaded here."""
    sets = ["training.recipe.head.epochs=2"]
    finish(load_config("photos.yaml", sets))
    assert main(["run", "photos.yaml", "--set", *sets]) == exit_code
    assert "Nothing has changed since the last run" in capsys.readouterr().out


def test_an_output_folder_in_use_is_a_mistake_of_the_user(workplace, capsys):
    with output_lock.exclusive(workplace / "runs/photos"):
        assert main(["run", "photos.yaml"]) == 2
    assert "another run" in capsys.readouterr().err


def test_ctrl_c_ends_with_130_and_no_traceback(tmp_path):
    pipe = tmp_path / "config.yaml"
    os.mkfifo(pipe)
    process = start(
        [sys.executable, "-m", "pipeline.cli", "check", str(pipe)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    with open(pipe, "w"):  # opens once the command reads, which then waits for a config that never comes
        process.send_signal(signal.SIGINT)
        _, shown = process.communicate(timeout=60)
    assert process.returncode == 130
    assert shown.strip() == "Stopped."


def test_all_backbones_and_recipes_are_listed(capsys):
    assert main(["list", "backbones"]) == 0
    shown = capsys.readouterr().out
    assert "MobileNetV2                224          32  tf\n" in shown
    assert main(["list", "recipes"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "feature_extraction",
        "fine_tuning",
        "from_scratch",
        "gradual_unfreezing",
    ]


def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m pipeline.cli list backbones | head -1"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith("backbone")
    assert done.stderr == ""


def test_the_quickstart_passes_check(capsys):
    assert main(["check", str(ROOT / "pipeline/configs/quickstart.yaml")]) == 0
    shown = capsys.readouterr().out
    assert "2,500 images of 10 classes" in shown
    assert "note" not in shown
