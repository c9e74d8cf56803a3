"""What the linter finds, and how it finds its way through a pipeline spec."""

import dataclasses
from collections.abc import Iterator


@dataclasses.dataclass(frozen=True)
class Finding:
    """One fault of a compiled pipeline."""

    where: str
    """Place in the document."""
    what: str
    """What stands there."""
    why: str
    """What the backend makes of it."""
    mend: str
    """What to do."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.why}. {self.mend}."


def dags(spec: dict) -> Iterator[tuple[str, dict]]:
    """Yields place and ComponentSpec of every DAG: the root, and the components that are DAGs themselves."""
    yield "root", spec["root"]
    for name, component in sorted(spec.get("components", {}).items()):
        if "dag" in component:
            yield f"components.{name}", component


def tasks(spec: dict) -> Iterator[tuple[str, dict, dict]]:
    """Yields place, PipelineTaskSpec and ComponentSpec (empty when there is none) of every task."""
    for place, dag in dags(spec):
        for name, task in sorted(dag["dag"].get("tasks", {}).items()):
            reference = task.get("componentRef", {}).get("name")
            yield f"{place}.{name}", task, spec.get("components", {}).get(reference, {})


def containers(spec: dict) -> Iterator[tuple[str, dict]]:
    """Yields label and PipelineContainerSpec of every executor that is a container."""
    for label, executor in sorted(spec.get("deploymentSpec", {}).get("executors", {}).items()):
        if "container" in executor:
            yield label, executor["container"]
