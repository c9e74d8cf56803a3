"""The Evaluator as the DAG sees it."""

import json

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components import artifacts
from components.evaluator import executor
from components.evaluator.slices import check_slices


class EvaluatorSpec(ComponentSpec):
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "baseline_model": ChannelParameter(type=artifacts.BaselineModel),
        "schema": ChannelParameter(type=standard_artifacts.Schema),
        "ingest_report": ChannelParameter(type=artifacts.IngestReport),
    }
    OUTPUTS = {
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "predictions": ChannelParameter(type=artifacts.Predictions),
    }
    PARAMETERS = {
        # An output is called evaluation, and TFX wants every name of a component to be unique.
        "evaluation_settings": ExecutionParameter(type=str),
        # Apart, because in a cluster they are a parameter of each run.
        "thresholds": ExecutionParameter(type=str),
        "source_hash": ExecutionParameter(type=str),
    }


class Evaluator(base_beam_component.BaseBeamComponent):
    """Judges the candidate on the test split; not blessed is a result, not an error."""

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        baseline_model: types.BaseChannel,
        schema: types.BaseChannel,
        ingest_report: types.BaseChannel,
        evaluation: str,
        thresholds: str,
        source_hash: str,
    ):
        """Constructs the step.

        Args:
          examples: raw examples (modules/features.py); the test split is read.
          model: the candidate, a SavedModel with serving_default.
          baseline_model: the version to compare with, or baseline.json saying why there is none.
          schema: of the raw examples.
          ingest_report: its record of the images says which data a person has accepted.
          evaluation: JSON of the Evaluation settings (pipeline/config.py) without the thresholds.
          thresholds: JSON of the thresholds: metric to bounds (thresholds.py).
          source_hash: hash of the code that the step runs; a change runs it again.

        Raises:
          ValueError: for a slice that is no scalar of an image.
        """
        check_slices(json.loads(evaluation)["slices"])
        super().__init__(
            EvaluatorSpec(
                examples=examples,
                model=model,
                baseline_model=baseline_model,
                schema=schema,
                ingest_report=ingest_report,
                evaluation_settings=evaluation,
                thresholds=thresholds,
                source_hash=source_hash,
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
                predictions=types.Channel(type=artifacts.Predictions),
            )
        )
