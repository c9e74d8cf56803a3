"""Rules for the second document: what Kubernetes is told of each executor."""

from collections import Counter
from collections.abc import Iterator

from pipeline.kubeflow.lint_finding import Finding

EXECUTOR_CONFIG_KEYS = {
    "secretAsVolume", "secretAsEnv", "pvcMount", "nodeSelector", "podMetadata", "imagePullSecret",
    "imagePullPolicy", "configMapAsVolume", "configMapAsEnv", "activeDeadlineSeconds", "fieldPathAsEnv",
    "tolerations", "genericEphemeralVolume", "nodeAffinity", "podAffinity", "enabledSharedMemory",
    "emptyDirMounts",
}  # fmt: skip
"""Fields of KubernetesExecutorConfig that every backend from 2.14 on has."""
ENTRY_KEYS = {
    "secretAsVolume": {"secretName", "mountPath", "optional"},
    "secretAsEnv": {"secretName", "keyToEnv"},
    "pvcMount": {"constant", "mountPath"},
    "configMapAsVolume": {"configMapName", "mountPath", "optional"},
    "tolerations": {"key", "operator", "value", "effect", "tolerationSeconds"},
    "emptyDirMounts": {"volumeName", "mountPath", "medium", "sizeLimit"},
}
"""Fields of the entries that this product writes."""
VOLUME_NAMES = {
    "pvcMount": "constant",
    "secretAsVolume": "secretName",
    "configMapAsVolume": "configMapName",
    "emptyDirMounts": "volumeName",
}
"""Field that becomes the name of the pod's volume."""


def platform_findings(spec: dict, platform: dict, target: str) -> list[Finding]:
    """Returns the faults of the platform spec.

    Args:
      spec: PipelineSpec as JSON, with known keys only.
      platform: PlatformSpec as JSON.
      target: kfp or vertex.
    """
    platforms = platform.get("platforms", {})
    if target == "vertex":
        return [
            Finding(
                f"platforms.{name}",
                "settings of Kubernetes",
                "Vertex ignores them",
                "Compile with --target kfp",
            )
            for name in platforms
        ]
    findings = [
        Finding(
            f"platforms.{name}", "unknown platform", "The backend ignores it", "Use the platform kubernetes"
        )
        for name in sorted(platforms.keys() - {"kubernetes"})
    ]
    known = spec.get("deploymentSpec", {}).get("executors", {})
    configs = platforms.get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})
    for label, config in sorted(configs.items()):
        place = f"platforms.kubernetes.deploymentSpec.executors.{label}"
        if label not in known:
            why = "The backend ignores it: secrets, volumes and node selectors would be missing in the step"
            findings.append(
                Finding(place, "no executor has this label", why, "Use the executorLabel of a component")
            )
        findings += _config_findings(place, config)
    return findings


def _config_findings(place: str, config: dict) -> Iterator[Finding]:
    for key in sorted(config.keys() - EXECUTOR_CONFIG_KEYS):
        yield _unknown(f"{place}.{key}")
    for key, allowed in ENTRY_KEYS.items():
        for position, entry in enumerate(config.get(key, [])):
            for unknown in sorted(entry.keys() - allowed):
                yield _unknown(f"{place}.{key}.{position}.{unknown}")
    names = Counter(
        entry[field] for key, field in VOLUME_NAMES.items() for entry in config.get(key, []) if field in entry
    )
    for name, count in sorted(names.items()):
        if count > 1:
            yield Finding(
                place,
                f"mounts {name!r} {count} times",
                "The backend names a volume after its claim, Secret or ConfigMap, and Kubernetes refuses a "
                "pod that has a name twice",
                "Mount it once",
            )


def _unknown(place: str) -> Finding:
    return Finding(
        place,
        "unknown key",
        "The driver fails on keys that it does not know",
        "Use the names of kubernetes_executor_config.proto",
    )
