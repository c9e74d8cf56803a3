"""InfraCheck: the exported model must answer real requests before it may serve."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.infra_check import executor


class InfraCheckSpec(ComponentSpec):
    INPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        "model_run": ChannelParameter(type=standard_artifacts.ModelRun),
        "examples": ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {"blessing": ChannelParameter(type=standard_artifacts.InfraBlessing)}
    PARAMETERS = {
        "infra_check": ExecutionParameter(type=str),
        "source_hash": ExecutionParameter(type=str),
    }


class InfraCheck(base_component.BaseComponent):
    """Blesses a model that answers as the Trainer did, fast and small enough.

    TFX's InfraValidator starts a model server in Docker or Kubernetes: one is not everywhere, and
    Kubeflow Pipelines cannot run the other. A clean process finds the same faults of a model.
    """

    SPEC_CLASS = InfraCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_run: types.BaseChannel,
        examples: types.BaseChannel,
        infra_check: str,
        source_hash: str,
    ):
        """Constructs the step.

        Args:
          model: the candidate.
          model_run: with the Trainer's own outputs for images of the test split.
          examples: whose test split has those images.
          infra_check: the budgets, JSON of pipeline.config.InfraCheck.
          source_hash: hash of the code that the step runs; a change runs it again.
        """
        super().__init__(
            InfraCheckSpec(
                model=model,
                model_run=model_run,
                examples=examples,
                infra_check=infra_check,
                source_hash=source_hash,
                blessing=types.Channel(type=standard_artifacts.InfraBlessing),
            )
        )
