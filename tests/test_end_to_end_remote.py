"""Whole local runs whose weights, images and push destination lie in an object store."""

import os
import shutil
from pathlib import Path

import pytest

from components import serving_versions
from modules import storage
from tests.test_end_to_end import copy_code, headstart

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parent.parent
SAMPLES = REPOSITORY / "data" / "fashion_mnist" / "train"
WEIGHTS = "mobilenet_v2_1.0_notop.weights.h5"
CONFIG = """
name: clothes
output: out
data: {{source: {bucket}/images}}
model: {{weights: {bucket}/{weights}, image_size: 33}}
training: {{recipe: [{{name: head, train: head, epochs: 6, learning_rate: 0.01}}]}}
evaluation: {{thresholds: {{accuracy: {{at_least: 0.4, change_at_least: -0.5}}}}}}
push: {{destination: {bucket}/serving}}
"""


@pytest.fixture
def project(tmp_path, s3_bucket):
    """A folder with a config and a copy of the code, which may be edited meanwhile; images in the bucket."""
    copy_code(tmp_path / "code")
    for name in ("bag", "sneaker", "trouser"):
        files = sorted((SAMPLES / name).iterdir())[:60]
        storage.upload_files({file.name: file for file in files}, f"{s3_bucket}/images/{name}")
    (tmp_path / "clothes.yaml").write_text(CONFIG.format(bucket=s3_bucket, weights=WEIGHTS))
    return tmp_path


def test_a_local_run_reads_from_and_pushes_to_a_bucket(project, s3_bucket):
    storage.upload_files({WEIGHTS: REPOSITORY / "data" / "weights" / WEIGHTS}, s3_bucket)

    first = headstart(project, "run", "clothes.yaml")

    assert first.returncode == 0, first.stdout + first.stderr
    assert f"Model   {s3_bucket}/serving/1" in first.stdout
    assert list(serving_versions.versions(f"{s3_bucket}/serving")) == [1]
    version = serving_versions.versions(f"{s3_bucket}/serving")[1]
    assert serving_versions.version_hash(version) == serving_versions.content_hash(version)
    assert serving_versions.read_labels(version) == ["bag", "sneaker", "trouser"]

    unchanged = headstart(project, "run", "clothes.yaml")
    assert unchanged.returncode == 0, unchanged.stdout + unchanged.stderr
    assert "Nothing has changed" in unchanged.stdout

    shutil.copy(SAMPLES / "bag" / sorted(os.listdir(SAMPLES / "bag"))[61], project / "new.png")
    answer = headstart(project, "predict", "new.png", "--config", "clothes.yaml", "--top", "1")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("new.png: bag ")

    another = headstart(project, "run", "clothes.yaml", "--set", "training.seed=7")
    assert another.returncode == 0, another.stdout + another.stderr
    assert list(serving_versions.versions(f"{s3_bucket}/serving")) == [1, 2]
    baseline = (project / "out" / "pipeline" / "Baseline" / "baseline_model").glob("*/Format-Serving")
    hashes = [serving_versions.content_hash(folder) for folder in baseline]
    assert hashes == [serving_versions.version_hash(version)]


def test_a_bucket_that_is_gone_is_said_before_the_run(project, s3_bucket):
    run = headstart(project, "run", "clothes.yaml", "--set", "push.destination=s3://no-such-bucket/serving")
    assert run.returncode == 2
    assert f"model.weights: there is no file at {s3_bucket}/{WEIGHTS}" in run.stderr
    assert "push.destination: s3://no-such-bucket/serving: there is no bucket" in run.stderr
    assert "Traceback" not in run.stderr
