"""DataCheck: between validation and training, the step that may refuse the data."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components import artifacts
from components.data_check import executor


class DataCheckSpec(ComponentSpec):
    INPUTS = {
        "ingest_report": ChannelParameter(type=artifacts.IngestReport),
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "schema": ChannelParameter(type=standard_artifacts.Schema),
        "anomalies": ChannelParameter(type=standard_artifacts.ExampleAnomalies),
    }
    OUTPUTS = {"data_verdict": ChannelParameter(type=artifacts.DataVerdict)}
    PARAMETERS = {
        "max_rejected_share": ExecutionParameter(type=float),
        "on_anomaly": ExecutionParameter(type=str),
        "limits": ExecutionParameter(type=str),
        "name": ExecutionParameter(type=str),
        "push_destination": ExecutionParameter(type=str),
        "serving_state": ExecutionParameter(type=str),
        "config": ExecutionParameter(type=str),
        "code_hash": ExecutionParameter(type=str),
        "output": ExecutionParameter(type=str),
        "run_id": ExecutionParameter(type=str),
        "source_hash": ExecutionParameter(type=str),
    }


class DataCheck(base_component.BaseComponent):
    """Writes a verdict on the data; when it is bad, publishes a report and stops the run."""

    SPEC_CLASS = DataCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        ingest_report: types.BaseChannel,
        statistics: types.BaseChannel,
        schema: types.BaseChannel,
        anomalies: types.BaseChannel,
        max_rejected_share: float,
        on_anomaly: str,
        limits: str,
        name: str,
        push_destination: str,
        serving_state: str,
        config: str,
        code_hash: str,
        output: str,
        run_id: str,
        source_hash: str,
    ):
        """Constructs the step.

        Args:
          ingest_report: which files were set aside.
          statistics: of all three splits.
          schema: what the data must look like, inferred or kept by the user.
          anomalies: what ExampleValidator found.
          max_rejected_share: share of the files that may be set aside, 0 to 1.
          on_anomaly: "stop" or "warn".
          limits: JSON of how far the data may be from that of an earlier version, see executor.Limits.
          name: of the pipeline; the destination must not be another one's.
          push_destination: folder of numbered model versions, where the data of each is recorded.
          serving_state: `serving_versions.state(push_destination)`; another state runs the step again.
          config: JSON of the whole config, for the report of a refusal.
          code_hash: hash of all of our code, by which a later run knows that none of it has changed.
          output: folder or address where the report of a refusal is published.
          run_id: unique to a run, names that report: no cache may answer.
          source_hash: hash of the code that the step runs; a change runs it again.
        """
        super().__init__(
            DataCheckSpec(
                ingest_report=ingest_report,
                statistics=statistics,
                schema=schema,
                anomalies=anomalies,
                max_rejected_share=float(max_rejected_share),
                on_anomaly=on_anomaly,
                limits=limits,
                name=name,
                push_destination=push_destination,
                serving_state=serving_state,
                config=config,
                code_hash=code_hash,
                output=output,
                run_id=run_id,
                source_hash=source_hash,
                data_verdict=types.Channel(type=artifacts.DataVerdict),
            )
        )
