"""A compiled pipeline of four steps and a config for it, so that tests need not compile."""

import copy
from pathlib import Path

import pytest

from pipeline.kubeflow import compile as compiler
from pipeline.kubeflow import connection, follow
from pipeline.kubeflow.compile import CompiledPipeline

STEPS = ("ImageExampleGen", "DataCheck", "Trainer", "Verdict")
CONFIG = """\
name: tiny_clothes
output: /runs/clothes
data:
  source: s3://photos/clothes
cluster:
  image: registry.example.com/headstart:0.2.0
  pipeline_root: s3://artifacts/clothes
  service_account: pipeline-runner
"""


def write_config(folder: Path, **cluster: str) -> str:
    """Writes a config with more keys in its section `cluster`, and returns its path."""
    file = folder / "clothes.yaml"
    file.write_text(CONFIG + "".join(f"  {key}: {value}\n" for key, value in cluster.items()))
    return str(file)


def prepare_workplace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Goes to a folder with a config. Compiling and waiting are instant, the environment says nothing."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder / "home"))
    for variable in ("HOST", "UI_HOST", "NAMESPACE", "EXPERIMENT", "TOKEN", "TOKEN_FILE", "CA_CERT"):
        monkeypatch.delenv(f"HEADSTART_KFP_{variable}", raising=False)
    monkeypatch.setattr(connection, "MOUNTED_TOKEN", str(folder / "mounted-token"))
    monkeypatch.setattr(compiler, "compile_pipeline", lambda config: compiled_pipeline(config.cluster.image))
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.01)
    write_config(folder)
    return folder


def compiled_pipeline(image: str = "registry.example.com/headstart:0.2.0") -> CompiledPipeline:
    """Returns a pipeline as `compile_pipeline` does."""
    parameters = {"parameters": {"data_source": {"parameterType": "STRING"}}}
    executor = {"container": {"image": image, "command": ["python", "-m", "step"]}}
    spec = {
        "pipelineInfo": {"name": "tiny-clothes"},
        "schemaVersion": "2.1.0",
        "sdkVersion": "tfx-1.16.0",
        "defaultPipelineRoot": "s3://artifacts/clothes",
        "root": {
            "inputDefinitions": {
                "parameters": {
                    "data_source": {
                        "parameterType": "STRING",
                        "isOptional": True,
                        "defaultValue": "s3://photos/clothes",
                    }
                }
            },
            "dag": {
                "tasks": {
                    step: {
                        "taskInfo": {"name": step},
                        "componentRef": {"name": f"comp-{step}"},
                        "cachingOptions": {"enableCache": True} if step == "Trainer" else {},
                        "inputs": {"parameters": {"data_source": {"componentInputParameter": "data_source"}}},
                    }
                    for step in STEPS
                }
            },
        },
        "components": {
            f"comp-{step}": {"executorLabel": f"exec-{step}", "inputDefinitions": parameters}
            for step in STEPS
        },
        "deploymentSpec": {"executors": {f"exec-{step}": copy.deepcopy(executor) for step in STEPS}},
    }
    node = {"nodeSelector": {"labels": {"cloud.google.com/gke-accelerator": "nvidia-l4"}}}
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-Trainer": node}}}}}
    return CompiledPipeline(spec, platform)
