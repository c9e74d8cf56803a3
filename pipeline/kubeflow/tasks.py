"""What a step gets that belongs into the pipeline spec: image, resources, env, retries, cache."""

from pipeline.cluster_config import Step
from pipeline.cluster_values import cpus, memory_bytes

WAITING_SECONDS = 24 * 3600  # for nodes, of all attempts together


def apply_step(spec: dict, name: str, step: Step, target: str) -> None:
    """Puts a step's settings into a pipeline spec, in place.

    Args:
      spec: a PipelineSpec as JSON, schema 2.1.0.
      name: of the step.
      step: its settings, see `pipeline.kubeflow.steps`.
      target: kfp or vertex.
    """
    task = spec["root"]["dag"]["tasks"][name]
    executor = spec["components"][task["componentRef"]["name"]]["executorLabel"]
    container = spec["deploymentSpec"]["executors"][executor]["container"]
    container["image"] = step.image
    container["resources"] = resources(step)
    if step.env:
        container["env"] = [{"name": key, "value": value} for key, value in sorted(step.env.items())]
    task["cachingOptions"] = {"enableCache": True} if step.cache else {}
    task.pop("retryPolicy", None)
    if step.retries.max:
        task["retryPolicy"] = retry_policy(step, target)


def resources(step: Step) -> dict:
    """Returns the ResourceSpec of a step, with requests equal to limits.

    In numbers, memory in units of 1e9 bytes: every backend reads them (backend/src/v2/driver,
    getPodResource), while the newer text fields (resourceCpuLimit, ...) are unknown to kfp 2.5.
    """
    cpu, memory = cpus(step.cpu), memory_bytes(step.memory) / 1e9
    found = {"cpuLimit": cpu, "cpuRequest": cpu, "memoryLimit": memory, "memoryRequest": memory}
    if step.accelerator:
        found["accelerator"] = {"type": step.accelerator.type, "count": str(step.accelerator.count)}
    return found


def retry_policy(step: Step, target: str) -> dict:
    """Returns the RetryPolicy of a step.

    Open-source Kubeflow hands backoffMaxDuration to Argo Workflows as the time after which nothing is tried
    again, counted from the start of the first attempt; a missing one is zero, and nothing is tried again
    (backend/src/v2/compiler/argocompiler/container.go; processNodeRetries in Argo). The kfp package caps it
    at an hour, so that no longer step is ever tried again. Here it is long enough for all attempts. On
    Vertex it may not exceed an hour, and is left out.
    """
    retries = step.retries
    policy = {
        "maxRetryCount": retries.max,
        "backoffDuration": f"{retries.backoff_seconds}s",
        "backoffFactor": float(retries.backoff_factor),
    }
    if target == "kfp":
        waits = sum(
            retries.backoff_seconds * retries.backoff_factor**attempt for attempt in range(retries.max)
        )
        longest = (retries.max + 1) * step.timeout_seconds + waits + WAITING_SECONDS
        policy["backoffMaxDuration"] = f"{longest}s"
    return policy
