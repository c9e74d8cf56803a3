"""Rules for the graph of a compiled pipeline: tasks, what they are given, and what they wait for."""

from collections.abc import Iterator

from pipeline.kubeflow.lint_finding import Finding, dags

INPUTS_FAIL = "The driver fails when the step is to start, after the steps before it have run"
KINDS = ("parameters", "artifacts")


def graph_findings(spec: dict) -> list[Finding]:
    """Returns the faults of all DAGs of a pipeline.

    Args:
      spec: PipelineSpec as JSON, with known keys only.
    """
    findings = list(_root_findings(spec))
    for place, dag in dags(spec):
        for name, task in sorted(dag["dag"].get("tasks", {}).items()):
            findings += _task_findings(f"{place}.{name}", task, dag, spec.get("components", {}))
    return findings


def _root_findings(spec: dict) -> Iterator[Finding]:
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for name, parameter in sorted(declared.items()):
        if "defaultValue" not in parameter:
            yield Finding(
                f"root.inputDefinitions.parameters.{name}",
                "no default value",
                "A run that does not name it fails; TFX loses the defaults of RuntimeParameter in schema 2.1",
                "Give it a defaultValue",
            )
        if "parameterType" not in parameter:
            yield Finding(
                f"root.inputDefinitions.parameters.{name}",
                "no parameterType",
                "The key `type` is that of schema 2.0, and the backend ignores it",
                "Declare parameterType",
            )


def _task_findings(place: str, task: dict, dag: dict, components: dict) -> Iterator[Finding]:
    reference = task.get("componentRef", {}).get("name")
    component = components.get(reference)
    if component is None:
        yield Finding(
            place,
            f"refers to the component {reference!r}",
            "The backend refuses the pipeline: nothing declares it",
            f"Declare it in components ({', '.join(sorted(components)) or 'none is'})",
        )
        return
    for kind in KINDS:
        declared = component.get("inputDefinitions", {}).get(kind, {})
        given = task.get("inputs", {}).get(kind, {})
        for name in sorted(given.keys() - declared.keys()):
            yield Finding(
                f"{place}.inputs.{kind}.{name}",
                f"the component {reference} declares no such input",
                INPUTS_FAIL,
                "Declare it in the component's inputDefinitions, or leave it out",
            )
        for name in sorted(declared.keys() - given.keys()):
            if "defaultValue" not in declared[name] and not declared[name].get("isOptional"):
                yield Finding(
                    f"{place}.inputs.{kind}.{name}",
                    "is needed, and neither given nor has a default",
                    INPUTS_FAIL,
                    "Give it a value in the task",
                )
        for name, source in sorted(given.items()):
            yield from _source_findings(f"{place}.inputs.{kind}.{name}", source, kind, task, dag, components)
    yield from _dependency_findings(place, task, dag)


def _source_findings(
    place: str, source: dict, kind: str, task: dict, dag: dict, components: dict
) -> Iterator[Finding]:
    """Looks at where one input of a task comes from."""
    outer = source.get("componentInputParameter", source.get("componentInputArtifact"))
    if outer is not None and outer not in dag.get("inputDefinitions", {}).get(kind, {}):
        yield Finding(
            place,
            f"takes {outer!r} from the DAG around it, which declares no such input",
            INPUTS_FAIL + "; the kfp package loads the file without a word",
            "Declare it in the inputDefinitions of the DAG",
        )
    output = source.get("taskOutputParameter", source.get("taskOutputArtifact"))
    if output is not None:
        yield from _output_findings(place, output, kind, task, dag, components)
    value = source.get("runtimeValue")
    if value is not None and "constant" not in value:
        yield Finding(
            place,
            f"its value is given as {', '.join(value) or 'nothing'}",
            "Schema 2.1 knows constant only; the backend would give the step no value",
            "Write runtimeValue.constant, or componentInputParameter for a parameter of the pipeline",
        )


def _output_findings(
    place: str, output: dict, kind: str, task: dict, dag: dict, components: dict
) -> Iterator[Finding]:
    producer = output.get("producerTask")
    key = output.get("outputArtifactKey", output.get("outputParameterKey"))
    made_by = dag["dag"]["tasks"].get(producer)
    if made_by is None:
        yield Finding(
            place,
            f"comes from the task {producer!r}, which is not there",
            INPUTS_FAIL,
            "Name a task of the same DAG",
        )
        return
    component = components.get(made_by.get("componentRef", {}).get("name"), {})
    if key not in component.get("outputDefinitions", {}).get(kind, {}):
        yield Finding(
            place,
            f"is the output {key!r} of {producer}, which declares no such output",
            INPUTS_FAIL,
            "Declare it in the outputDefinitions of the producing component",
        )
    if producer not in task.get("dependentTasks", []):
        yield Finding(
            place,
            f"comes from {producer}, and dependentTasks does not name {producer}",
            "The backend orders tasks by dependentTasks alone: the step may start before its input exists",
            f"Add {producer} to dependentTasks",
        )


def _dependency_findings(place: str, task: dict, dag: dict) -> Iterator[Finding]:
    known = dag["dag"]["tasks"]
    for name in task.get("dependentTasks", []):
        if name not in known:
            yield Finding(
                f"{place}.dependentTasks",
                f"names {name!r}, which is not a task",
                "The backend refuses the pipeline",
                f"Name tasks of the same DAG ({', '.join(sorted(known))})",
            )
    if _waits_for_itself(place.rpartition(".")[2], known):
        yield Finding(
            f"{place}.dependentTasks",
            "leads back to the task itself",
            "The backend refuses a graph with a cycle",
            "Take one of the dependencies out",
        )


def _waits_for_itself(name: str, known: dict) -> bool:
    seen, waiting = set(), list(known[name].get("dependentTasks", []))
    while waiting:
        upstream = waiting.pop()
        if upstream == name:
            return True
        if upstream in known and upstream not in seen:
            seen.add(upstream)
            waiting += known[upstream].get("dependentTasks", [])
    return False
