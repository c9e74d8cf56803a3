"""Baseline: the version that the Evaluator compares the candidate with, mostly the one that serves."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components import artifacts
from components.baseline import executor


class BaselineSpec(ComponentSpec):
    INPUTS = {"model": ChannelParameter(type=standard_artifacts.Model)}
    OUTPUTS = {"baseline_model": ChannelParameter(type=artifacts.BaselineModel)}
    PARAMETERS = {
        "push_destination": ExecutionParameter(type=str),
        "serving_state": ExecutionParameter(type=str),
        "source_hash": ExecutionParameter(type=str),
    }


class Baseline(base_component.BaseComponent):
    """Reads the newest comparable version from the push destination.

    TFX's habit is a Resolver over the metadata store, which open-source Kubeflow Pipelines cannot run;
    and the store knows what was blessed, not what serves.
    """

    SPEC_CLASS = BaselineSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, model: types.BaseChannel, push_destination: str, serving_state: str, source_hash: str):
        """Constructs the step.

        Args:
          model: the candidate; a version that shares no class with it cannot be compared with it.
          push_destination: folder of numbered versions.
          serving_state: `serving_versions.state(push_destination)`; another state runs the step again.
          source_hash: hash of the code that the step runs; a change runs it again.
        """
        super().__init__(
            BaselineSpec(
                model=model,
                push_destination=push_destination,
                serving_state=serving_state,
                source_hash=source_hash,
                baseline_model=types.Channel(type=artifacts.BaselineModel),
            )
        )
