"""Whole runs through the command line, as a user starts them: own images, stopped, repeated, refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from components import serving_versions
from tests.child_process import start

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parent.parent
WEIGHTS = REPOSITORY / "data" / "weights" / "mobilenet_v2_1.0_notop.weights.h5"
CONFIG = """
name: clothes
output: out
data: {{source: images, max_rejected_share: 0.1}}
model: {{weights: {weights}, image_size: 33}}
training:
  recipe:
    - {{name: head, train: head, epochs: 6, learning_rate: 0.01}}
    - name: fine_tuning
      train: all
      epochs: 2
      learning_rate: 0.0001
      augmentation: {{flip_horizontal: true}}
evaluation: {{thresholds: {{accuracy: {{at_least: 0.4, change_at_least: -0.5}}}}}}
"""


def headstart(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(*arguments), cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=600
    )


def run_until(folder: Path, line_part: str, signal_number: int) -> subprocess.CompletedProcess:
    """Runs the pipeline and sends a signal when a line is printed; waits half a minute for its end."""
    arguments = command("run", "clothes.yaml")
    with start(
        arguments,
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        printed = ""
        for line in process.stdout:
            printed += line
            if line_part in line:
                process.send_signal(signal_number)
                break
        printed += process.stdout.read()
        return subprocess.CompletedProcess(arguments, process.wait(30), printed)


def outcome_of(run: subprocess.CompletedProcess, step: str) -> str:
    """Returns how a step ended: "cached", or its seconds."""
    line = next(line for line in run.stdout.splitlines() if f" {step} " in line)
    return line.split(step)[1].strip()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "import sys; from pipeline.cli import main; sys.exit(main())", *arguments]


def environment(folder: Path) -> dict[str, str]:
    """Lets the command line import the project's copy of the code, so that a test may edit it."""
    return {**os.environ, "PYTHONPATH": str(folder / "code"), "PYTHONUNBUFFERED": "1"}


def copy_code(folder: Path) -> None:
    for package in ("pipeline", "components", "modules"):
        shutil.copytree(REPOSITORY / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))


def make_images(folder: Path, images_a_class: int) -> None:
    """Copies sample images of three classes into class folders, and puts odd ones beside them."""
    for name in ("bag", "sneaker", "trouser"):
        (folder / name).mkdir(parents=True)
        files = sorted((REPOSITORY / "data" / "fashion_mnist" / "train" / name).iterdir())
        for file in files[:images_a_class]:
            shutil.copy(file, folder / name)
    photo = Image.open(files[images_a_class]).convert("RGB").resize((300, 200))
    photo.save(folder / "trouser" / "Hose größer.webp")
    photo.convert("CMYK").save(folder / "trouser" / "print.jpg")
    photo.save(folder / "trouser" / "cut_short.jpg")
    cut_short = folder / "trouser" / "cut_short.jpg"
    cut_short.write_bytes(cut_short.read_bytes()[:1500])
    (folder / "bag" / "notes.txt").write_text("not an image")
    (folder / ".DS_Store").write_bytes(b"\0")


def versions(folder: Path) -> list[int]:
    return list(serving_versions.versions(folder / "out" / "serving"))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    copy_code(folder / "code")
    make_images(folder / "images", images_a_class=60)
    (folder / "clothes.yaml").write_text(CONFIG.format(weights=WEIGHTS))
    return folder


@pytest.fixture(scope="module")
def first_run(project):
    return headstart(project, "run", "clothes.yaml")


def test_own_images_become_a_pushed_model_and_a_page(first_run, project):
    assert first_run.returncode == 0, first_run.stdout + first_run.stderr
    lines = first_run.stdout.splitlines()
    assert lines[-1] == f"Report  {project / 'out' / 'report.html'}"
    assert any(line.startswith("The model is blessed. Accuracy") for line in lines)
    assert versions(project) == [1]
    page = (project / "out" / "report.html").read_text()
    assert "cut_short.jpg" in page
    assert "http://" not in page
    assert "https://" not in page


def test_every_step_is_shown_with_its_time_and_training_with_its_epochs(first_run):
    for step in ("ImageExampleGen", "StatisticsGen", "Transform", "Trainer", "Evaluator", "Pusher", "Report"):
        assert f" {step} " in first_run.stdout
    assert "epoch 6/6" in first_run.stdout
    assert "Traceback" not in first_run.stdout


def test_unchanged_run_ends_at_once_with_the_same_result(first_run, project):
    again = headstart(project, "run", "clothes.yaml")
    assert again.returncode == 0
    assert "Nothing has changed" in again.stdout
    assert again.stdout.splitlines()[-1] == first_run.stdout.splitlines()[-1]
    assert versions(project) == [1]


def test_pushed_model_predicts_several_images(first_run, project):
    images = [str(REPOSITORY / "data/fashion_mnist/test" / name) for name in ("bag", "sneaker")]
    files = [str(sorted(Path(folder).iterdir())[0]) for folder in images]
    answer = headstart(project, "predict", *files, "--config", "clothes.yaml", "--json", "--top", "1")
    assert answer.returncode == 0, answer.stderr
    answers = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [found["image"] for found in answers] == files
    assert [found["top"][0]["label"] for found in answers] == ["bag", "sneaker"]


def test_touched_images_are_no_reason_to_do_anything(first_run, project):
    for file in (project / "images").rglob("*.*"):
        os.utime(file)
    again = headstart(project, "run", "clothes.yaml")
    assert again.returncode == 0
    assert "Nothing has changed" in again.stdout
    assert versions(project) == [1]


def test_unreachable_threshold_ends_with_three_and_the_old_model_stays(first_run, project):
    for file in (project / "images").rglob("*.*"):
        file.chmod(0o600)  # no reason to train either
    arguments = [
        "clothes.yaml",
        "--set",
        "evaluation.thresholds.accuracy.at_least=1.0",
        "--set",
        "evaluation.thresholds.cross_entropy.at_most=0.0001",
    ]
    refused = headstart(project, "run", *arguments)
    assert refused.returncode == 3, refused.stdout + refused.stderr
    assert "NOT blessed" in refused.stdout
    assert "cross_entropy" in refused.stdout
    assert "failed" not in refused.stdout
    assert "Traceback" not in refused.stdout
    assert outcome_of(refused, "Verdict") == "not blessed"
    assert versions(project) == [1]
    assert outcome_of(refused, "Trainer") == "cached"

    again = headstart(project, "run", *arguments)
    assert again.returncode == 3
    assert "Nothing has changed" in again.stdout
    assert again.stdout.splitlines()[-1] == refused.stdout.splitlines()[-1]
    assert headstart(project, "fresh", *arguments).returncode == 3
    assert headstart(project, "fresh", "clothes.yaml").returncode == 5
    summaries = (project / "out" / "reports").glob("*/summary.json")
    assert sorted(json.loads(file.read_text())["blessed"] for file in summaries) == [False, True]


def test_stopped_training_goes_on_and_the_new_model_is_judged_against_the_old(first_run, project):
    # So many that some are for training: with other test images alone the model would be the same again.
    for extra in sorted((REPOSITORY / "data" / "fashion_mnist" / "train" / "bag").iterdir())[100:110]:
        shutil.copy(extra, project / "images" / "bag")

    interrupted = run_until(project, "head, epoch 1/6: loss", signal.SIGINT)  # the end of the epoch
    assert interrupted.returncode == 130
    assert "the same command goes on from there" in interrupted.stdout
    assert "Traceback" not in interrupted.stdout
    killed = run_until(project, "fine_tuning, epoch 1/2: loss", signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    finished = headstart(project, "run", "clothes.yaml")
    assert finished.returncode == 0, finished.stdout + finished.stderr

    assert outcome_of(killed, "ImageExampleGen") == "cached"
    assert "head, epoch 1/6" not in killed.stdout
    assert "head, epoch" not in finished.stdout
    assert "fine_tuning, epoch 1/2" not in finished.stdout
    assert "fine_tuning, epoch 2/2" in finished.stdout
    assert versions(project) == [1, 2]
    blessings = (project / "out/pipeline/Evaluator/blessing").iterdir()
    newest = max(blessings, key=lambda folder: int(folder.name))
    assert json.loads((newest / "verdict.json").read_text())["baseline"]["version"] == 1


def test_edited_code_of_the_trainer_is_not_served_from_the_cache(first_run, project):
    with open(project / "code" / "modules" / "serving.py", "a") as file:
        file.write("# edited\n")
    edited = headstart(project, "run", "clothes.yaml")
    assert edited.returncode == 0, edited.stdout + edited.stderr
    assert outcome_of(edited, "ImageExampleGen") == "cached"
    assert outcome_of(edited, "StatisticsGen") == "cached"
    assert outcome_of(edited, "Trainer") != "cached"


def test_a_model_that_was_rolled_back_is_not_pushed_again(first_run, project):
    bad = versions(project)[-1]
    rolled_back = headstart(project, "rollback", "clothes.yaml")
    assert rolled_back.returncode == 0, rolled_back.stderr
    assert versions(project)[-1] == bad + 1
    fresh = headstart(project, "fresh", "clothes.yaml")
    assert (fresh.returncode, f"Version {bad} was rolled back" in fresh.stdout) == (0, True)

    again = headstart(project, "run", "clothes.yaml", "--set", "infra_check.images=8")
    assert again.returncode == 3, again.stdout + again.stderr
    assert outcome_of(again, "Trainer") == "cached"
    assert f"version {bad} again, which was rolled back" in again.stdout
    assert versions(project)[-1] == bad + 1


def test_too_many_broken_files_stop_the_run_before_training(tmp_path):
    copy_code(tmp_path / "code")
    make_images(tmp_path / "images", images_a_class=20)
    for number in range(20):
        (tmp_path / "images" / "bag" / f"broken_{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (tmp_path / "clothes.yaml").write_text(CONFIG.format(weights=WEIGHTS))
    refused = headstart(tmp_path, "run", "clothes.yaml")
    assert refused.returncode == 4, refused.stdout + refused.stderr
    assert "max_rejected_share" in refused.stdout
    assert " Trainer " not in refused.stdout
    assert "Traceback" not in refused.stdout
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["outcome"] == "data_refused"
    assert list(summary["step_seconds"])[-1] == summary["step"] == "DataCheck"
    assert summary["seconds"] > 0
    assert "Refused: the data was not trained on" in (tmp_path / "out" / "report.html").read_text()

    again = headstart(tmp_path, "run", "clothes.yaml")
    assert again.returncode == 4
    assert "Nothing has changed since the last run" in again.stdout
    assert again.stdout.split("DataCheck stopped")[1] == refused.stdout.split("DataCheck stopped")[1]
    assert headstart(tmp_path, "fresh", "clothes.yaml").returncode == 4
