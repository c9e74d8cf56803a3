"""Configs for a cluster, and what they compile to: TFX takes its time, so each is compiled once a process."""

import copy
import functools
import tempfile
from pathlib import Path

from pipeline.config import Config
from pipeline.config_file import load_config
from pipeline.kubeflow.compile import CompiledPipeline, compile_pipeline
from pipeline.kubeflow.steps import PRODUCT_DEFAULTS

STEPS = tuple(PRODUCT_DEFAULTS)
PLAIN = """\
name: Tiny_Shoes
output: s3://bucket/runs/shoes
data: {source: s3://bucket/shoes}
model: {weights: none, image_size: 65}
cluster: {image: "registry.example.com/headstart:0.1.0", pipeline_root: "s3://bucket/pipelines"}
"""
RICH = """\
name: shoes
output: /runs/shoes
data: {source: /data/shoes}
model: {weights: none, image_size: 65}
evaluation: {thresholds: {accuracy: {at_least: 0.5}}}
cluster:
  image: registry.example.com/headstart:0.1.0
  pipeline_root: minio://bucket/pipelines
  defaults:
    env: {OMP_NUM_THREADS: "2", LEVEL: low}
    node_selector: {pool: batch}
    tolerations: [{key: batch, operator: Exists}]
    volumes:
      - {path: /runs, claim: runs}
      - {path: /data, claim: data}
  steps:
    ImageExampleGen: {cpu: 6, memory: 10Gi, beam_args: [--direct_num_workers=6]}
    Trainer:
      image: registry.example.com/headstart-gpu@sha256:DIGEST
      cpu: 7500m
      memory: 30Gi
      accelerator: {type: nvidia.com/gpu, count: 2, model: nvidia-l4}
      node_selector: {zone: a}
      tolerations: [{key: spot, value: "yes", effect: NoExecute, seconds: 60}]
      env: {LEVEL: high}
      secret_env:
        TOKEN: {secret: tracker, key: token}
        USER_NAME: {secret: tracker, key: user}
      volumes:
        - {path: /secrets, secret: certificates}
        - {path: /settings, config_map: settings}
        - {path: /scratch/big, empty_dir: 20Gi}
      retries: {max: 4, backoff_seconds: 10, backoff_factor: 3}
      timeout_seconds: 7200
      cache: false
    Evaluator:
      accelerator: {type: google.com/tpu, count: 4, model: tpu-v5-lite-podslice, topology: 2x2}
      retries: {max: 0}
""".replace("DIGEST", "0123456789abcdef" * 4)
VERTEX = """\
name: shoes
output: gs://bucket/runs/shoes
data: {source: gs://bucket/shoes}
model: {weights: none, image_size: 65}
cluster:
  image: registry.example.com/headstart:0.1.0
  pipeline_root: gs://bucket/pipelines
  defaults: {env: {OMP_NUM_THREADS: "2"}}
  steps: {Trainer: {accelerator: {type: NVIDIA_L4, count: 2}, memory: 32Gi, retries: {max: 1}}}
"""
TARGETS = {PLAIN: "kfp", RICH: "kfp", VERTEX: "vertex"}


def config_of(text: str, *sets: str) -> Config:
    """Returns the complete config of a text."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(text, encoding="utf-8")
        return load_config(file, sets)


@functools.cache
def _compiled(text: str) -> CompiledPipeline:
    return compile_pipeline(config_of(text), TARGETS[text])


def compiled(text: str = PLAIN) -> CompiledPipeline:
    """Returns the compiled pipeline of PLAIN, RICH or VERTEX, free to be changed."""
    return copy.deepcopy(_compiled(text))


def task(pipeline: CompiledPipeline, step: str) -> dict:
    """Returns the PipelineTaskSpec of a step."""
    return pipeline.spec["root"]["dag"]["tasks"][step]


def container(pipeline: CompiledPipeline, step: str) -> dict:
    """Returns the PipelineContainerSpec of a step."""
    return pipeline.spec["deploymentSpec"]["executors"][f"{step}_executor"]["container"]


def executor_config(pipeline: CompiledPipeline, step: str) -> dict:
    """Returns the KubernetesExecutorConfig of a step."""
    executors = pipeline.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return executors[f"{step}_executor"]
