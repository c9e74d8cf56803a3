"""Every setting of a step arrives in the compiled pipeline, where the backend looks for it."""

import os
import subprocess

import pytest

from pipeline.cluster_config import Accelerator, Retries, Step, Toleration, Volume
from pipeline.kubeflow.compile import compile_pipeline
from pipeline.kubeflow.platform import executor_config as config_of_step
from pipeline.kubeflow.platform import volume_names
from pipeline.kubeflow.steps import PRODUCT_DEFAULTS
from pipeline.kubeflow.tasks import retry_policy
from pipeline.source_hash import ROOT
from tests.tiny_cluster import (
    PLAIN,
    RICH,
    STEPS,
    VERTEX,
    compiled,
    config_of,
    container,
    executor_config,
    task,
)

CHECKS = ROOT / ".tools/checks/bin/python"


@pytest.fixture(scope="module")
def rich():
    return compiled(RICH)


# In the pipeline spec


def test_images(rich):
    images = {step: container(rich, step)["image"] for step in STEPS}
    assert images.pop("Trainer") == "registry.example.com/headstart-gpu@sha256:" + "0123456789abcdef" * 4
    assert set(images.values()) == {"registry.example.com/headstart:0.1.0"}


def test_cpu_and_memory_are_requests_and_limits_of_every_step_ingest_included(rich):
    assert container(rich, "ImageExampleGen")["resources"] == {
        "cpuLimit": 6.0,
        "cpuRequest": 6.0,
        "memoryLimit": 10.73741824,  # 10Gi, in units of 1e9 bytes
        "memoryRequest": 10.73741824,
    }
    trainer = container(rich, "Trainer")["resources"]
    assert (trainer["cpuLimit"], trainer["memoryRequest"]) == (7.5, 32.21225472)
    for step in STEPS:
        assert container(rich, step)["resources"].keys() >= {
            "cpuLimit",
            "cpuRequest",
            "memoryLimit",
            "memoryRequest",
        }


def test_accelerators(rich):
    assert container(rich, "Trainer")["resources"]["accelerator"] == {"type": "nvidia.com/gpu", "count": "2"}
    assert container(rich, "Evaluator")["resources"]["accelerator"] == {
        "type": "google.com/tpu",
        "count": "4",
    }
    assert "accelerator" not in container(rich, "Transform")["resources"]


def test_environment(rich):
    assert container(rich, "Trainer")["env"] == [
        {"name": "LEVEL", "value": "high"},
        {"name": "OMP_NUM_THREADS", "value": "2"},
    ]
    assert {"name": "LEVEL", "value": "low"} in container(rich, "Pusher")["env"]
    assert "env" not in container(compiled(PLAIN), "Pusher")


def test_retries(rich):
    attempts, waits = 5 * 7200, 10 + 30 + 90 + 270
    assert task(rich, "Trainer")["retryPolicy"] == {
        "maxRetryCount": 4,
        "backoffDuration": "10s",
        "backoffFactor": 3.0,
        "backoffMaxDuration": f"{attempts + waits + 24 * 3600}s",
    }
    assert task(rich, "ImageExampleGen")["retryPolicy"]["maxRetryCount"] == 2
    for step in ("Evaluator", "DataCheck", "Verdict"):
        assert "retryPolicy" not in task(rich, step)


def test_the_time_for_retries_is_longer_than_all_attempts_together():
    """Argo Workflows tries nothing again after backoffMaxDuration, counted from the first attempt's start."""
    for name in PRODUCT_DEFAULTS:
        step = Step(retries=Retries(max=3), timeout_seconds=PRODUCT_DEFAULTS[name].timeout_seconds)
        seconds = int(retry_policy(step, "kfp")["backoffMaxDuration"].removesuffix("s"))
        assert seconds > 4 * step.timeout_seconds


def test_cache(rich):
    assert task(compiled(PLAIN), "Trainer")["cachingOptions"] == {"enableCache": True}
    assert task(rich, "Trainer")["cachingOptions"] == {}


def test_beam_arguments_reach_their_step_alone(rich):
    assert container(rich, "ImageExampleGen")["args"][-2:] == [
        "--direct_num_workers=6",
        "--sdk_container_image=registry.example.com/headstart:0.1.0",
    ]
    for step in STEPS:
        if step != "ImageExampleGen":
            assert not [
                argument for argument in container(rich, step)["args"] if "direct_num_workers" in argument
            ]


def test_the_section_beam_and_its_shared_folder_reach_the_beam_steps():
    sets = (
        "beam={runner: portable, job_endpoint: 'flink:8099', worker_pool: 'pool:50000'}",
        "beam.shared_folder=/runs/beam",
        "cluster.steps.Transform.beam_args=[--parallelism=8]",
    )
    pipeline = compile_pipeline(config_of(RICH, *sets))
    for step in ("ImageExampleGen", "StatisticsGen", "Transform", "Evaluator"):
        arguments = container(pipeline, step)["args"]
        assert "--job_endpoint=flink:8099" in arguments
        assert "--headstart_shared_folder=/runs/beam" in arguments
        assert ("--parallelism=8" in arguments) == (step == "Transform")
    assert not [argument for argument in container(pipeline, "Trainer")["args"] if "flink" in argument]


# In the platform spec


def test_every_executor_has_a_platform_entry_of_its_label(rich):
    executors = rich.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors.keys() == rich.spec["deploymentSpec"]["executors"].keys()


def test_timeouts(rich):
    assert executor_config(rich, "Trainer")["activeDeadlineSeconds"] == "7200"
    assert executor_config(rich, "Pusher")["activeDeadlineSeconds"] == "3600"


def test_node_selectors_with_those_of_gke_for_accelerators(rich):
    assert executor_config(rich, "Trainer")["nodeSelector"]["labels"] == {
        "cloud.google.com/gke-accelerator": "nvidia-l4",
        "pool": "batch",
        "zone": "a",
    }
    assert executor_config(rich, "Evaluator")["nodeSelector"]["labels"] == {
        "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
        "cloud.google.com/gke-tpu-topology": "2x2",
        "pool": "batch",
    }
    assert executor_config(rich, "Pusher")["nodeSelector"]["labels"] == {"pool": "batch"}


def test_tolerations_with_that_of_the_accelerators_nodes(rich):
    batch = {"key": "batch", "operator": "Exists"}
    assert executor_config(rich, "Trainer")["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        batch,
        {
            "key": "spot",
            "operator": "Equal",
            "value": "yes",
            "effect": "NoExecute",
            "tolerationSeconds": "60",
        },
    ]
    assert executor_config(rich, "Evaluator")["tolerations"][0]["key"] == "google.com/tpu"
    assert executor_config(rich, "Pusher")["tolerations"] == [batch]


def test_secrets_as_environment(rich):
    assert executor_config(rich, "Trainer")["secretAsEnv"] == [
        {
            "secretName": "tracker",
            "keyToEnv": [
                {"secretKey": "token", "envVar": "TOKEN"},
                {"secretKey": "user", "envVar": "USER_NAME"},
            ],
        }
    ]
    assert "secretAsEnv" not in executor_config(rich, "Pusher")


def test_volumes_of_every_kind(rich):
    trainer = executor_config(rich, "Trainer")
    claims = [{"constant": "runs", "mountPath": "/runs"}, {"constant": "data", "mountPath": "/data"}]
    assert trainer["pvcMount"] == executor_config(rich, "Pusher")["pvcMount"] == claims
    assert trainer["secretAsVolume"] == [{"secretName": "certificates", "mountPath": "/secrets"}]
    assert trainer["configMapAsVolume"] == [{"configMapName": "settings", "mountPath": "/settings"}]
    assert trainer["emptyDirMounts"] == [
        {"volumeName": "scratch-scratch-big", "mountPath": "/scratch/big", "sizeLimit": "20Gi"}
    ]


def test_a_step_that_asks_for_nothing_gets_a_timeout_and_nothing_else():
    assert executor_config(compiled(PLAIN), "Pusher") == {"activeDeadlineSeconds": "3600"}


def test_scratch_volumes_have_names_that_kubernetes_takes():
    step = Step(
        volumes=(Volume(path="/Big_One/x.y", empty_dir="1Gi"), Volume(path="/z", claim="c")),
        timeout_seconds=1,
    )
    assert volume_names(step) == ["scratch-big-one-x-y", "c"]
    assert config_of_step(step)["emptyDirMounts"][0]["volumeName"] == "scratch-big-one-x-y"


def test_a_toleration_that_is_given_twice_is_written_once():
    usual = Toleration(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule")
    step = Step(accelerator=Accelerator(type="nvidia.com/gpu"), tolerations=(usual,), timeout_seconds=1)
    assert len(config_of_step(step)["tolerations"]) == 1


# On Vertex


def test_vertex_gets_resources_retries_cache_and_environment_and_no_platform():
    pipeline = compiled(VERTEX)
    assert pipeline.platform == {}
    resources = container(pipeline, "Trainer")["resources"]
    assert resources["accelerator"] == {"type": "NVIDIA_L4", "count": "2"}
    assert (resources["cpuLimit"], resources["memoryLimit"]) == (4.0, 34.359738368)
    assert task(pipeline, "Trainer")["retryPolicy"] == {
        "maxRetryCount": 1,
        "backoffDuration": "30s",
        "backoffFactor": 2.0,
    }
    assert task(pipeline, "Pusher")["cachingOptions"] == {}
    assert container(pipeline, "Pusher")["env"] == [{"name": "OMP_NUM_THREADS", "value": "2"}]


# With today's protocol buffers


def test_todays_kfp_reads_both_documents_to_the_last_key(tmp_path):
    """kfp-kubernetes wants protobuf 6, which cannot live beside TFX: its own environment does the parsing."""
    if not CHECKS.exists():
        pytest.skip(f"{CHECKS} is not there; `make test` makes it")
    file = tmp_path / "pipeline.yaml"
    file.write_text(compiled(RICH).as_text())
    program = """
import sys, yaml
from google.protobuf import json_format
from kfp import components
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2
text = open(sys.argv[1]).read()
spec, platform = yaml.safe_load_all(text)
json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
json_format.ParseDict(spec["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig())
executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
for label, config in executors.items():
    json_format.ParseDict(config, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
print(len(executors), components.load_component_from_text(text).name)
"""
    ran = subprocess.run(
        [CHECKS, "-W", "ignore", "-c", program, file],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert ran.stdout == f"{len(STEPS)} shoes\n", ran.stderr
