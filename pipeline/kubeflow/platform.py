"""What a step gets that only Kubernetes knows: the second document of a compiled pipeline.

A KubernetesExecutorConfig for each executor, in the names of kfp-kubernetes:
https://github.com/kubeflow/pipelines/blob/master/kubernetes_platform/proto/kubernetes_executor_config.proto
"""

import re

from pipeline.cluster_config import Accelerator, Step, Toleration

GKE_GPU, GKE_TPU, GKE_TPU_TOPOLOGY = (
    "cloud.google.com/gke-accelerator",
    "cloud.google.com/gke-tpu-accelerator",
    "cloud.google.com/gke-tpu-topology",
)


def platform_spec(steps: dict[str, Step]) -> dict:
    """Returns the PlatformSpec of a pipeline as JSON.

    Args:
      steps: the settings by the label of the step's executor.
    """
    executors = {label: executor_config(step) for label, step in steps.items()}
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def executor_config(step: Step) -> dict:
    """Returns the KubernetesExecutorConfig of one step as JSON."""
    config = {"activeDeadlineSeconds": str(step.timeout_seconds)}
    if labels := node_selector(step):
        config["nodeSelector"] = {"labels": labels}
    if tolerations := [_toleration(toleration) for toleration in all_tolerations(step)]:
        config["tolerations"] = tolerations
    if secrets := _secret_env(step):
        config["secretAsEnv"] = secrets
    for volume in step.volumes:
        if volume.claim:
            config.setdefault("pvcMount", []).append({"constant": volume.claim, "mountPath": volume.path})
        elif volume.secret:
            entry = {"secretName": volume.secret, "mountPath": volume.path}
            config.setdefault("secretAsVolume", []).append(entry)
        elif volume.config_map:
            entry = {"configMapName": volume.config_map, "mountPath": volume.path}
            config.setdefault("configMapAsVolume", []).append(entry)
        else:
            entry = {"volumeName": scratch_name(volume.path), "mountPath": volume.path}
            config.setdefault("emptyDirMounts", []).append(entry | {"sizeLimit": volume.empty_dir})
    return config


def node_selector(step: Step) -> dict[str, str]:
    """Returns the labels that a node must have: those of GKE for an accelerator, and the step's own."""
    return accelerator_labels(step.accelerator) | step.node_selector


def accelerator_labels(accelerator: Accelerator | None) -> dict[str, str]:
    """Returns the labels by which GKE marks nodes with a model of GPU or TPU.

    https://cloud.google.com/kubernetes-engine/docs/how-to/gpus and .../how-to/tpus
    """
    labels = {}
    if accelerator and accelerator.model:
        labels[GKE_TPU if "tpu" in accelerator.type.lower() else GKE_GPU] = accelerator.model
    if accelerator and accelerator.topology:
        labels[GKE_TPU_TOPOLOGY] = accelerator.topology
    return labels


def all_tolerations(step: Step) -> tuple[Toleration, ...]:
    """Returns the step's tolerations, and the one for the taint that nodes with its accelerator usually have.

    GKE, and the device plugins' own advice, taint such nodes with the name of the resource.
    """
    if step.accelerator is None:
        return step.tolerations
    usual = Toleration(key=step.accelerator.type, operator="Exists", effect="NoSchedule")
    return tuple(dict.fromkeys((usual, *step.tolerations)))


def scratch_name(path: str) -> str:
    """Returns the name of an emptyDir volume that is mounted at a path."""
    return "scratch" + re.sub(r"[^a-z0-9]+", "-", path.lower()).rstrip("-")


def volume_names(step: Step) -> list[str]:
    """Returns how the backend names the step's volumes in the pod: after the claim, Secret or ConfigMap."""
    return [
        volume.claim or volume.secret or volume.config_map or scratch_name(volume.path)
        for volume in step.volumes
    ]


def _toleration(toleration: Toleration) -> dict:
    found = {"operator": toleration.operator}
    for name in ("key", "value", "effect"):
        if getattr(toleration, name) is not None:
            found[name] = getattr(toleration, name)
    if toleration.seconds is not None:
        found["tolerationSeconds"] = str(toleration.seconds)
    return found


def _secret_env(step: Step) -> list[dict]:
    """Returns the SecretAsEnv entries, one for each Secret."""
    keys = {}
    for variable, source in sorted(step.secret_env.items()):
        keys.setdefault(source.secret, []).append({"secretKey": source.key, "envVar": variable})
    return [{"secretName": name, "keyToEnv": found} for name, found in sorted(keys.items())]
