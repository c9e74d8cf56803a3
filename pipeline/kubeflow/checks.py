"""What can be said about a config for a cluster before it is compiled. Imports no TFX."""

from collections import Counter

from pipeline.cluster_config import Step
from pipeline.cluster_values import pipeline_root_fault
from pipeline.config import Config
from pipeline.kubeflow.beam_checks import beam_problems
from pipeline.kubeflow.caching import cache_problems
from pipeline.kubeflow.paths import path_problems
from pipeline.kubeflow.platform import volume_names
from pipeline.kubeflow.steps import BEAM_STEPS, all_step_settings
from pipeline.problems import Problem

ONLY_KUBERNETES = ("node_selector", "tolerations", "secret_env", "volumes", "timeout_seconds")
VERTEX_ROOT_SCHEMES = ("gs",)


def cluster_problems(config: Config, target: str) -> list[Problem]:
    """Returns everything in a config that would not work in a cluster.

    Args:
      config: complete, with the paths of this machine.
      target: kfp or vertex.
    """
    cluster = config.cluster
    steps = all_step_settings(cluster)
    problems = []
    if any(step.image is None for step in steps.values()):
        problems.append(
            Problem(
                "cluster.image",
                "missing. Give the image that holds this code, such as registry/headstart:0.1.0",
            )
        )
    if cluster.pipeline_root is None:
        problems.append(
            Problem(
                "cluster.pipeline_root",
                "missing. Give an address for artifacts, such as s3://bucket/pipelines",
            )
        )
    elif target == "vertex" and (fault := pipeline_root_fault(cluster.pipeline_root, VERTEX_ROOT_SCHEMES)):
        problems.append(
            Problem("cluster.pipeline_root", f"got {cluster.pipeline_root!r}; on Vertex, {fault}")
        )
    given = {"cluster.defaults": cluster.defaults}
    given |= {f"cluster.steps.{name}": step for name, step in cluster.steps.items()}
    for key, step in given.items():
        problems += _accelerator_problems(key, step, target)
        if target == "vertex":
            problems += _vertex_problems(key, step)
    for name, step in steps.items():
        problems += _step_problems(name, step, cluster.steps.get(name, Step()))
    problems += cache_problems(config, steps)
    claims = {
        name: tuple(volume.path for volume in step.volumes if volume.claim) for name, step in steps.items()
    }
    mounts = {
        name: tuple(volume.path for volume in step.volumes if not volume.empty_dir)
        for name, step in steps.items()
    }
    problems += beam_problems(config, target, claims)
    return problems + path_problems(config, claims, mounts, has_volumes=target == "kfp")


def _step_problems(name: str, step: Step, own: Step) -> list[Problem]:
    key = f"cluster.steps.{name}"
    problems = []
    twice = [volume for volume, count in Counter(volume_names(step)).items() if count > 1]
    if twice:
        message = (
            f"{', '.join(twice)}: mounted more than once. Kubeflow names a volume after its claim, Secret or "
            "ConfigMap, and a pod takes each name once; mount it once, at one path"
        )
        problems.append(Problem(f"{key}.volumes", message))
    if own.beam_args and name not in BEAM_STEPS:
        problems.append(
            Problem(f"{key}.beam_args", f"{name} runs no Beam pipeline; those are {', '.join(BEAM_STEPS)}")
        )
    return problems


def _accelerator_problems(key: str, step: Step, target: str) -> list[Problem]:
    if step.accelerator is None:
        return []
    kind = step.accelerator.type
    if target == "kfp" and "/" not in kind:
        message = f"got {kind!r}; use the name of a resource, such as nvidia.com/gpu or google.com/tpu"
        return [Problem(f"{key}.accelerator.type", message)]
    if target == "vertex" and "/" in kind:
        message = f"got {kind!r}; Vertex has names of its own, such as NVIDIA_L4 or TPU_V3"
        return [Problem(f"{key}.accelerator.type", message)]
    return []


def _vertex_problems(key: str, step: Step) -> list[Problem]:
    message = "Vertex has nothing like it. Leave it out, or compile with --target kfp"
    problems = [Problem(f"{key}.{name}", message) for name in ONLY_KUBERNETES if getattr(step, name)]
    if step.accelerator and (step.accelerator.model or step.accelerator.topology):
        problems.append(Problem(f"{key}.accelerator", f"model and topology: {message}"))
    return problems
