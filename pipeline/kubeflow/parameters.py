"""Parameters that a run may change without compiling again: data and push location, thresholds, the reason.

TFX's own way, RuntimeParameter, loses its default values in schema 2.1. So the pipeline is compiled with
constants, and some of them become parameters of the pipeline afterwards.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class RuntimeParameter:
    name: str
    """As a run names it."""
    execution_property: str
    """Of the steps that read it."""
    steps: tuple[str, ...]
    """Steps that have it."""


RUNTIME_PARAMETERS = (
    RuntimeParameter("data_source", "source", ("ImageExampleGen",)),
    RuntimeParameter("push_destination", "push_destination", ("DataCheck", "Baseline", "Pusher")),
    RuntimeParameter("thresholds", "thresholds", ("Evaluator",)),
    RuntimeParameter("because", "because", ("Pusher",)),
)


def add_runtime_parameters(spec: dict) -> None:
    """Turns constants of a pipeline spec into parameters with these values as defaults, in place.

    Args:
      spec: a PipelineSpec as JSON, schema 2.1.0.

    Raises:
      ValueError: when steps that share a parameter were compiled with different values.
    """
    tasks = spec["root"]["dag"]["tasks"]
    declared = spec["root"].setdefault("inputDefinitions", {}).setdefault("parameters", {})
    for parameter in RUNTIME_PARAMETERS:
        inputs = [tasks[step]["inputs"]["parameters"] for step in parameter.steps]
        values = {values[parameter.execution_property]["runtimeValue"]["constant"] for values in inputs}
        if len(values) != 1:
            raise ValueError(f"{parameter.name}: its steps were given different values: {sorted(values)}")
        declared[parameter.name] = {
            "parameterType": "STRING",
            "isOptional": True,
            "defaultValue": values.pop(),
        }
        for task_values in inputs:
            task_values[parameter.execution_property] = {"componentInputParameter": parameter.name}


def default_parameters(spec: dict) -> dict[str, str]:
    """Returns the parameters of a compiled pipeline and their defaults."""
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    return {name: parameter.get("defaultValue") for name, parameter in declared.items()}
