"""Rules for what runs: executors, containers, images, user code, retries, cache."""

import re
from collections.abc import Iterator

from pipeline.cluster_values import image_fault
from pipeline.kubeflow.lint_finding import Finding, containers, tasks
from pipeline.kubeflow.steps import NEVER_CACHED

EXECUTOR_CLASSES = {  # by which the steps are known, whatever their tasks are called
    f"components.{re.sub(r'(?<!^)(?=[A-Z])', '_', step).lower()}.executor.Executor": step
    for step in NEVER_CACHED
}
WHEEL = re.compile(r"\.whl\b")
NOT_CONTAINERS = {
    "resolver": "The open-source backend says: resolver executors not implemented",
    "importer": "An artifact is registered that no step has looked at, and TFX's type of it is lost",
    "customJob": "That is Vertex' own; the open-source backend has nothing like it",
}


def executor_findings(spec: dict, target: str) -> list[Finding]:
    """Returns the faults of all executors of a pipeline and of the tasks that use them.

    Args:
      spec: PipelineSpec as JSON, with known keys only.
      target: kfp or vertex.
    """
    findings = list(_label_findings(spec))
    if target == "kfp":
        findings += _kind_findings(spec)
    for label, container in containers(spec):
        findings += _container_findings(f"deploymentSpec.executors.{label}.container", container, target)
    for place, task, component in tasks(spec):
        findings += _code_findings(place, task)
        findings += _cache_findings(place, task, component, spec)
        if target == "kfp":
            findings += _retry_findings(place, task)
    return findings


def _label_findings(spec: dict) -> Iterator[Finding]:
    executors = spec.get("deploymentSpec", {}).get("executors", {})
    components = spec.get("components", {})
    used = {component.get("executorLabel") for component in components.values()}
    for label in sorted(executors.keys() - used):
        yield Finding(
            f"deploymentSpec.executors.{label}",
            "no component has this executor",
            "The backend ignores it",
            "Leave it out, or name it as the executorLabel of a component",
        )
    for name, component in sorted(components.items()):
        if "dag" not in component and component.get("executorLabel") not in executors:
            yield Finding(
                f"components.{name}.executorLabel",
                f"names {component.get('executorLabel')!r}, which is not in deploymentSpec.executors",
                "The backend refuses the pipeline",
                "Add the executor",
            )
    referred = {task.get("componentRef", {}).get("name") for _, task, _ in tasks(spec)}
    for name in sorted(components.keys() - referred):
        yield Finding(f"components.{name}", "no task uses it", "The backend never runs it", "Leave it out")


def _kind_findings(spec: dict) -> Iterator[Finding]:
    for label, executor in sorted(spec.get("deploymentSpec", {}).get("executors", {}).items()):
        for kind, why in NOT_CONTAINERS.items():
            if kind in executor:
                yield Finding(
                    f"deploymentSpec.executors.{label}",
                    f"is a {kind}",
                    why,
                    "Let a component do it in a container",
                )


def _container_findings(place: str, container: dict, target: str) -> Iterator[Finding]:
    image = container.get("image", "")
    if fault := image_fault(image):
        yield Finding(
            f"{place}.image",
            f"{image!r}: {fault.partition('. ')[0]}",
            "Runs of different code could not be told apart, and the cache would mix them up",
            "Name the image with a tag of its own or a digest",
        )
    if "lifecycle" in container and target == "kfp":
        yield Finding(
            f"{place}.lifecycle",
            f"has {', '.join(container['lifecycle'])}",
            "The open-source backend ignores hooks: TFX's file-based ExampleGens would never see new data",
            "Do that work inside the step, as ImageExampleGen does",
        )
    if not container.get("command"):
        yield Finding(
            f"{place}.command",
            "is missing",
            "The launcher runs the command itself and does not know the image's own entrypoint",
            "Give the command",
        )
    for argument in (*container.get("command", []), *container.get("args", [])):
        if WHEEL.search(argument):
            yield _wheel_finding(f"{place}.args", argument)
    kind = container.get("resources", {}).get("accelerator", {}).get("type", "")
    if kind and ("/" in kind) != (target == "kfp"):
        yield Finding(
            f"{place}.resources.accelerator.type",
            f"{kind!r}",
            "Kubernetes takes it as the name of a resource, verbatim; Vertex has a list of names of its own",
            "Use nvidia.com/gpu or google.com/tpu" if target == "kfp" else "Use a name such as NVIDIA_L4",
        )


def _code_findings(place: str, task: dict) -> Iterator[Finding]:
    for name, source in sorted(task.get("inputs", {}).get("parameters", {}).items()):
        constant = source.get("runtimeValue", {}).get("constant")
        if isinstance(constant, str) and (WHEEL.search(constant) or (name == "module_file" and constant)):
            yield _wheel_finding(f"{place}.inputs.parameters.{name}", constant)


def _wheel_finding(place: str, text: str) -> Finding:
    return Finding(
        place,
        f"user code as a file: {text[:80]!r}",
        "TFX puts it into a wheel on the machine that compiles, and calls pip in the step: the container has "
        "neither the file nor a package index",
        "Name the code by its dotted path, such as run_fn='modules.trainer.run_fn'",
    )


def _cache_findings(place: str, task: dict, component: dict, spec: dict) -> Iterator[Finding]:
    if not task.get("cachingOptions", {}).get("enableCache"):
        return
    executors = spec.get("deploymentSpec", {}).get("executors", {})
    arguments = executors.get(component.get("executorLabel"), {}).get("container", {}).get("args", [])
    for step in sorted({EXECUTOR_CLASSES[name] for name in arguments if name in EXECUTOR_CLASSES}):
        yield Finding(
            f"{place}.cachingOptions",
            f"{step} may be taken from the cache",
            "Its work lies outside of the pipeline's artifacts: the cache would leave it undone",
            "Switch its cache off",
        )


def _retry_findings(place: str, task: dict) -> Iterator[Finding]:
    policy = task.get("retryPolicy", {})
    if not policy.get("maxRetryCount"):
        return
    if policy.get("backoffMaxDuration", "0s") == "0s":
        yield Finding(
            f"{place}.retryPolicy",
            "backoffMaxDuration is missing",
            "The backend takes it as the time after which nothing is tried again, and 0 for a missing one",
            "Give it the time that all attempts may take together",
        )
    for name in ("backoffDuration", "backoffMaxDuration"):
        if "." in policy.get(name, ""):
            yield Finding(
                f"{place}.retryPolicy.{name}",
                f"{policy[name]!r}",
                "The backend drops what is less than a second",
                "Use whole seconds",
            )
    factor = policy.get("backoffFactor", 1)
    if factor != int(factor):
        yield Finding(
            f"{place}.retryPolicy.backoffFactor",
            f"{factor}",
            "Argo Workflows takes whole numbers only, and the run ends with an error at the first retry",
            "Use a whole number",
        )
