"""The Report as the DAG sees it."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components import artifacts
from components.report import executor


class ReportSpec(ComponentSpec):
    INPUTS = {
        "ingest_report": ChannelParameter(type=artifacts.IngestReport),
        "data_verdict": ChannelParameter(type=artifacts.DataVerdict),
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model_run": ChannelParameter(type=standard_artifacts.ModelRun),
        "baseline_model": ChannelParameter(type=artifacts.BaselineModel),
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "predictions": ChannelParameter(type=artifacts.Predictions),
        "infra_blessing": ChannelParameter(type=standard_artifacts.InfraBlessing),
        "pushed_model": ChannelParameter(type=standard_artifacts.PushedModel),
    }
    OUTPUTS = {"report": ChannelParameter(type=artifacts.Report)}
    PARAMETERS = {
        "config": ExecutionParameter(type=str),
        "code_hash": ExecutionParameter(type=str),
        "output": ExecutionParameter(type=str),
        "run_id": ExecutionParameter(type=str),
        "source_hash": ExecutionParameter(type=str),
    }


class Report(base_component.BaseComponent):
    """Writes report.html, one self-contained file, and summary.json, and publishes both."""

    SPEC_CLASS = ReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        ingest_report: types.BaseChannel,
        data_verdict: types.BaseChannel,
        statistics: types.BaseChannel,
        examples: types.BaseChannel,
        model_run: types.BaseChannel,
        baseline_model: types.BaseChannel,
        evaluation: types.BaseChannel,
        blessing: types.BaseChannel,
        predictions: types.BaseChannel,
        infra_blessing: types.BaseChannel,
        pushed_model: types.BaseChannel,
        config: str,
        code_hash: str,
        output: str,
        run_id: str,
        source_hash: str,
    ):
        """Constructs the step.

        Args:
          ingest_report: what ingest found and set aside.
          data_verdict: what the data check had to say.
          statistics: of all three splits.
          examples: where the pictures of the mistakes come from.
          model_run: the Trainer's history.
          baseline_model: which version the candidate was compared with.
          evaluation: the Evaluator's numbers.
          blessing: the Evaluator's verdict.
          predictions: of every test image.
          infra_blessing: InfraCheck's verdict.
          pushed_model: what the Pusher did.
          config: JSON of the whole config, to show it.
          code_hash: hash of all of our code, by which a later run knows that none of it has changed.
          output: folder or address where the newest report is published, and all of them are kept.
          run_id: unique to a run, names its report among those that are kept: no cache may answer.
          source_hash: hash of the code that the step runs; a change runs it again.
        """
        super().__init__(
            ReportSpec(
                ingest_report=ingest_report,
                data_verdict=data_verdict,
                statistics=statistics,
                examples=examples,
                model_run=model_run,
                baseline_model=baseline_model,
                evaluation=evaluation,
                blessing=blessing,
                predictions=predictions,
                infra_blessing=infra_blessing,
                pushed_model=pushed_model,
                config=config,
                code_hash=code_hash,
                output=output,
                run_id=run_id,
                source_hash=source_hash,
                report=types.Channel(type=artifacts.Report),
            )
        )
