"""SchemaGen: TFX's own, but aware of what an image example holds."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.schema_gen import executor


class SchemaGenSpec(ComponentSpec):
    INPUTS = {"statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics)}
    OUTPUTS = {"schema": ChannelParameter(type=standard_artifacts.Schema)}
    PARAMETERS = {
        "schema_file": ExecutionParameter(type=str, optional=True),
        "schema_file_hash": ExecutionParameter(type=str, optional=True),
        "source_hash": ExecutionParameter(type=str),
    }


class SchemaGen(base_component.BaseComponent):
    """Says what the data must look like, for all later steps: schema.pbtxt, inferred or the user's own.

    TFX's stock SchemaGen knows only the features that have statistics. The pixels have none, yet
    Transform and Trainer need them in the schema. Its ImportSchemaGen does not notice an edited file.
    """

    SPEC_CLASS = SchemaGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        statistics: types.BaseChannel,
        source_hash: str,
        schema_file: str | None = None,
        schema_file_hash: str | None = None,
    ):
        """Constructs the step.

        Args:
          statistics: of the train split at least, made with `statistics.statistics_options()`.
          source_hash: hash of the code that the step runs; a change runs it again.
          schema_file: a schema.pbtxt to use instead of an inferred one.
          schema_file_hash: hash of its content; a change runs the step again.
        """
        super().__init__(
            SchemaGenSpec(
                statistics=statistics,
                schema_file=schema_file,
                schema_file_hash=schema_file_hash,
                source_hash=source_hash,
                schema=types.Channel(type=standard_artifacts.Schema),
            )
        )
