"""Pusher: puts a blessed model where the model server looks for new versions."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components import artifacts
from components.pusher import executor


class PusherSpec(ComponentSpec):
    INPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "infra_blessing": ChannelParameter(type=standard_artifacts.InfraBlessing),
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "ingest_report": ChannelParameter(type=artifacts.IngestReport),
    }
    OUTPUTS = {"pushed_model": ChannelParameter(type=standard_artifacts.PushedModel)}
    PARAMETERS = {
        "push_destination": ExecutionParameter(type=str),
        "push": ExecutionParameter(type=int),
        "because": ExecutionParameter(type=str),
        "origin": ExecutionParameter(type=str),
        "run_id": ExecutionParameter(type=str),
        "source_hash": ExecutionParameter(type=str),
    }


class Pusher(base_component.BaseComponent):
    """Makes the model the newest version in the push destination, when it is blessed.

    TFX's own Pusher copies into the version's final folder, where a model server may find half of it.
    """

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        blessing: types.BaseChannel,
        infra_blessing: types.BaseChannel,
        statistics: types.BaseChannel,
        ingest_report: types.BaseChannel,
        push_destination: str,
        push: bool,
        because: str,
        origin: str,
        run_id: str,
        source_hash: str,
    ):
        """Constructs the step.

        Args:
          model: the candidate.
          blessing: the Evaluator's.
          infra_blessing: the InfraCheck's.
          statistics: of the data that the model was trained on; recorded beside it, for later runs.
          ingest_report: with the record of all images, which goes there as well.
          push_destination: folder of numbered versions.
          push: False ends with the decision, and pushes nothing.
          because: why the run was started, in a person's words; may be empty.
          origin: JSON of what the manifest says about where the model comes from.
          run_id: unique to a run: what lies in the destination may change, so no cache may answer.
          source_hash: hash of the code that the step runs.
        """
        super().__init__(
            PusherSpec(
                model=model,
                blessing=blessing,
                infra_blessing=infra_blessing,
                statistics=statistics,
                ingest_report=ingest_report,
                push_destination=push_destination,
                push=int(push),
                because=because,
                origin=origin,
                run_id=run_id,
                source_hash=source_hash,
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )
