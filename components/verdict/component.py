"""The Verdict as the DAG sees it."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components import artifacts
from components.verdict import executor


class VerdictSpec(ComponentSpec):
    INPUTS = {"report": ChannelParameter(type=artifacts.Report)}
    OUTPUTS = {}
    PARAMETERS = {
        "output": ExecutionParameter(type=str),
        "source_hash": ExecutionParameter(type=str),
    }


class Verdict(base_component.BaseComponent):
    """Fails when the model was not blessed, so that a run in a cluster ends red and names the reasons.

    The steps before it take a refused model for a result, not for an error: the report is to be written.
    """

    SPEC_CLASS = VerdictSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, report: types.BaseChannel, output: str, source_hash: str):
        """Constructs the step.

        Args:
          report: the Report's, for its summary.json.
          output: folder or address where the report was published, to name it.
          source_hash: hash of the code that the step runs.
        """
        super().__init__(VerdictSpec(report=report, output=output, source_hash=source_hash))
