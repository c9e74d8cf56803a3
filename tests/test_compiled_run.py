"""The compiled pipeline really runs: the command of every container, and an S3 server between the tasks."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components import serving_versions
from modules.storage import location, upload_tree
from tests import s3
from tests.launcher import Cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.access("/", os.W_OK), reason="the launcher's paths are /s3/BUCKET/..., only root can make them"
    ),
]

REPOSITORY = Path(__file__).resolve().parent.parent
WEIGHTS = REPOSITORY / "data" / "weights" / "mobilenet_v2_1.0_notop.weights.h5"
STEPS = [
    "ImageExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "DataCheck", "Transform", "Trainer",
    "Baseline", "Evaluator", "InfraCheck", "Pusher", "Report", "Verdict",
]  # fmt: skip
CONFIG = """
name: clothes
output: {bucket}/runs/clothes
data: {{source: {bucket}/images, max_rejected_share: 0.1}}
model: {{weights: {bucket}/weights/{weights}, image_size: 33}}
training:
  recipe:
    - {{name: head, train: head, epochs: 6, learning_rate: 0.01}}
    - {{name: fine_tuning, train: all, epochs: 1, learning_rate: 0.0001}}
evaluation: {{thresholds: {{accuracy: {{at_least: 0.4, change_at_least: -0.5}}}}}}
cluster:
  image: registry.example.com/headstart:0.1.0
  pipeline_root: {bucket}/pipelines
  defaults:
    env: {{AWS_ENDPOINT_URL: "{endpoint}", AWS_DEFAULT_REGION: us-east-1}}
    secret_env:
      AWS_ACCESS_KEY_ID: {{secret: object-store, key: user}}
      AWS_SECRET_ACCESS_KEY: {{secret: object-store, key: password}}
    volumes:
      - {{claim: photos, path: "{volume}"}}
"""
SECRETS = {"object-store": {"user": "test", "password": "test"}}


class Project:
    """A config, its compiled pipeline, and the bucket that both speak of."""

    def __init__(self, folder: Path, endpoint: str, bucket: str):
        self.folder, self.bucket = folder, bucket
        self.config, self.compiled = folder / "clothes.yaml", folder / "clothes.pipeline.yaml"
        self.volume = folder / "volume"
        self.cluster = Cluster(endpoint, s3.CREDENTIALS, SECRETS, {"photos": self.volume})
        make_images(folder / "images")
        make_images(self.volume / "images", broken=30)
        upload_tree(folder / "images", f"{bucket}/images")
        location(f"{bucket}/weights/{WEIGHTS.name}").write_bytes(WEIGHTS.read_bytes())
        self.config.write_text(
            CONFIG.format(bucket=bucket, endpoint=endpoint, weights=WEIGHTS.name, volume=self.volume)
        )

    def run(self, **parameters):
        """Runs the compiled pipeline to its end, or to its first failing task."""
        return self.cluster.run(self.compiled, f"{self.bucket}/pipelines", parameters)

    @property
    def destination(self) -> str:
        return f"{self.bucket}/runs/clothes/serving"


def headstart(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pipeline.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600)


def make_images(folder: Path, broken: int = 0) -> None:
    """Copies sample images of three classes into split folders, and writes files that are no images."""
    for split, images_a_class in (("train", 50), ("test", 30)):
        for name in ("bag", "sneaker", "trouser"):
            (folder / split / name).mkdir(parents=True)
            for file in sorted((REPOSITORY / "data" / "fashion_mnist" / split / name).iterdir())[
                :images_a_class
            ]:
                shutil.copy(file, folder / split / name)
    for number in range(broken):
        (folder / "train" / "bag" / f"broken_{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")


def read_json(task, output: str, name: str) -> dict:
    return json.loads(location(f"{task.outputs[output]['uri']}/{name}").read_text())


@pytest.fixture(scope="module")
def project(s3_endpoint, tmp_path_factory):
    with s3.environment(s3_endpoint):
        made = Project(tmp_path_factory.mktemp("project"), s3_endpoint, s3.new_bucket())
        compiled = headstart("compile", made.config, "--target", "kfp", "-o", made.compiled)
        assert compiled.returncode == 0, compiled.stdout + compiled.stderr
        yield made


@pytest.fixture(scope="module")
def first_run(project):
    return project.run()


@pytest.fixture(scope="module")
def local_run(project, first_run):
    """The same config on this machine; the first run's model must not be its baseline."""
    output = project.folder / "local"
    finished = headstart("run", project.config, "--set", f"output={output}")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return json.loads((output / "summary.json").read_text())


@pytest.fixture(scope="module")
def second_run(project, first_run):
    thresholds = {"accuracy": {"at_least": 0.999}, "cross_entropy": {"at_most": 0.0001}}
    return project.run(thresholds=json.dumps(thresholds))


@pytest.fixture(scope="module")
def refused_run(project):
    return project.run(data_source=str(project.volume / "images"))


def test_every_task_runs_and_the_model_is_pushed(first_run, project):
    assert first_run.failed is None, first_run.tasks[first_run.failed].log[-3000:]
    assert sorted(first_run.tasks) == sorted(STEPS)
    assert list(serving_versions.versions(project.destination)) == [1]
    page = location(f"{project.bucket}/runs/clothes/report.html").read_text()
    assert "version 1 serves now" in page


def test_verdict_and_metrics_are_those_of_a_local_run(first_run, local_run, project):
    summary = json.loads(location(f"{project.bucket}/runs/clothes/summary.json").read_text())
    assert (
        (summary["verdict"], summary["blessed"])
        == (local_run["verdict"], local_run["blessed"])
        == ("pushed", True)
    )
    assert summary["accuracy"]["n"] == local_run["accuracy"]["n"] == 90
    assert summary["accuracy"]["value"] == pytest.approx(local_run["accuracy"]["value"], abs=0.03)


def test_the_log_of_a_task_lies_beside_its_outputs(first_run, project):
    trainer = first_run.tasks["Trainer"]
    log = location(trainer.outputs["executor-logs"]["uri"]).read_text()
    assert log == trainer.log
    assert "epoch 6/6" in log


def test_fresh_sees_that_nothing_and_then_that_an_image_has_changed(first_run, project):
    fresh = headstart("fresh", project.config)
    assert fresh.returncode == 0, fresh.stdout + fresh.stderr
    image = location(f"{project.bucket}/images/train/bag/new.png")
    image.write_bytes(next((project.folder / "images" / "test" / "bag").iterdir()).read_bytes())
    stale = headstart("fresh", project.config)
    image.unlink()
    assert stale.returncode == 5, stale.stdout + stale.stderr
    assert "images" in stale.stdout


def test_another_config_is_stale(first_run, project):
    stale = headstart("fresh", project.config, "--set", "training.seed=7")
    assert stale.returncode == 5, stale.stdout + stale.stderr
    assert "config" in stale.stdout


def test_the_second_run_makes_the_model_of_the_first_again_and_does_not_compare_it_with_itself(second_run):
    baseline = read_json(second_run.tasks["Evaluator"], "blessing", "verdict.json")["baseline"]
    assert (baseline["version"], baseline["candidate_version"]) == (None, 1)
    assert baseline["reason"] == "version 1 is the candidate itself"


def test_a_model_that_is_not_blessed_ends_the_run_with_the_reason_and_the_old_one_serves(second_run, project):
    assert second_run.failed == "Verdict"
    assert list(second_run.tasks)[-1] == "Verdict"
    assert second_run.tasks["Verdict"].exit_code == 3
    last_lines = second_run.tasks["Verdict"].log.strip()[-2000:]
    assert "cross_entropy" in last_lines
    assert "Traceback" not in last_lines
    assert list(serving_versions.versions(project.destination)) == [1]
    report = json.loads(location(f"{project.bucket}/runs/clothes/summary.json").read_text())
    assert not report["blessed"]


def test_too_many_broken_files_end_the_run_before_training_with_the_reason(refused_run, project):
    assert refused_run.failed == "DataCheck"
    assert refused_run.tasks["DataCheck"].exit_code == 4
    assert "max_rejected_share" in refused_run.tasks["DataCheck"].log.strip()[-2000:]
    assert "Traceback" not in refused_run.tasks["DataCheck"].log
    assert not {"Transform", "Trainer"} & set(refused_run.tasks)
    summary = json.loads(location(f"{project.bucket}/runs/clothes/summary.json").read_text())
    assert (summary["outcome"], summary["step"]) == ("data_refused", "DataCheck")
    assert "30 of 270 files were set aside" in summary["reasons"][0]
    kept = location(f"{project.bucket}/runs/clothes/reports/{summary['run_id']}/report.html").read_text()
    assert "Refused: the data was not trained on" in kept


def test_no_task_needs_what_another_left_on_the_disk(first_run, project):
    assert not Path("/s3", project.bucket.removeprefix("s3://")).exists()
