"""The steps that use Beam, one after the other on tiny images, and what they wrote."""

import dataclasses
import json
from pathlib import Path

import tensorflow as tf
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.components import StatisticsGen, Transform
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.components.statistics_gen.executor import Executor as StatisticsGenExecutor
from tfx.components.transform.executor import Executor as TransformExecutor
from tfx.types import channel_utils, standard_artifacts
from tfx.utils import io_utils

from components import artifacts
from components.baseline.chosen import Chosen
from components.data_record import DataRecord
from components.evaluator import predictions
from components.evaluator.executor import Executor as EvaluatorExecutor
from components.image_example_gen.executor import Executor as ImageExampleGenExecutor
from components.schema_gen.inference import infer_schema
from components.schema_gen.statistics import statistics_options
from modules import features
from tests.tiny_data import new_artifact
from tests.tiny_ingest import parameters

MODEL = {"backbone": "MobileNetV2", "weights": "none", "image_size": 32}
EVALUATION = {
    "top_k": 2,
    "slices": ["byte_size"],
    "confidence": 0.95,
    "max_baseline_fall": 0.05,
    "accepted_data": None,
}
THRESHOLDS = {"accuracy": {"at_least": 0.01}}


@dataclasses.dataclass(frozen=True)
class Written:
    """What one run left behind."""

    shards: dict[str, bytes]  # name of the file, of all splits
    statistics: dict[str, statistics_pb2.DatasetFeatureStatisticsList]  # by split
    transform_graph: str
    verdict: dict
    predictions: predictions.Predictions


class Darkness(tf.Module):
    """A classifier that looks at nothing but the mean of the red pixels."""

    def __init__(self, classes: list[str]):
        super().__init__()
        self.classes = tf.constant(classes)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serving_default(self, examples):
        parsed = tf.io.parse_example(examples, {features.IMAGE_BYTES: tf.io.FixedLenFeature([], tf.string)})
        red = tf.map_fn(
            lambda image: tf.reduce_mean(tf.cast(tf.io.decode_png(image, 3)[:, :, 0], tf.float32)),
            parsed[features.IMAGE_BYTES],
            fn_output_signature=tf.float32,
        )
        logits = tf.stack([red - 127.0, 127.0 - red], axis=1) / 10.0
        classes = tf.tile(self.classes[None], [tf.shape(red)[0], 1])
        return {"probabilities": tf.nn.softmax(logits), "all_classes": classes}


def run_steps(folder: Path, source: Path, beam_arguments: list[str]) -> Written:
    """Runs ImageExampleGen, StatisticsGen, Transform and Evaluator in a folder of their own."""
    examples = run_example_gen(folder, source, beam_arguments)
    statistics = run_statistics_gen(folder, examples, beam_arguments)
    schema = new_artifact(standard_artifacts.Schema, folder / "schema")
    io_utils.write_pbtxt_file(str(folder / "schema/schema.pbtxt"), infer_schema(statistics["train"]))
    transform_graph = run_transform(folder, examples, schema, beam_arguments)
    verdict, said = run_evaluator(folder, examples, schema, beam_arguments)
    return Written(shard_files(folder), statistics, transform_graph, verdict, said)


def shard_files(folder: Path) -> dict[str, bytes]:
    """Returns the files that ImageExampleGen wrote, by split and name."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in (folder / "examples").rglob("*.gz")}


def run_example_gen(folder: Path, source: Path, beam_arguments: list[str], images_per_shard: int = 10):
    examples = new_artifact(standard_artifacts.Examples, folder / "examples")
    report = new_artifact(artifacts.IngestReport, folder / "report")
    _execute(
        ImageExampleGenExecutor,
        folder,
        beam_arguments,
        {},
        {"examples": examples, "ingest_report": report},
        parameters(source, images_per_shard=images_per_shard),
    )
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    return examples


def run_statistics_gen(folder: Path, examples, beam_arguments: list[str]) -> dict:
    statistics = new_artifact(standard_artifacts.ExampleStatistics, folder / "statistics")
    component = StatisticsGen(_channel(examples), stats_options=statistics_options())
    inputs, outputs = {"examples": examples}, {"statistics": statistics}
    _execute(StatisticsGenExecutor, folder, beam_arguments, inputs, outputs, component.exec_properties)
    return {
        split: stats_artifact_utils.load_statistics(statistics, split).proto() for split in features.SPLITS
    }


def run_transform(folder: Path, examples, schema, beam_arguments: list[str]) -> str:
    graph = new_artifact(standard_artifacts.TransformGraph, folder / "transform_graph")
    cache = new_artifact(standard_artifacts.TransformCache, folder / "cache")
    component = Transform(
        examples=_channel(examples),
        schema=_channel(schema),
        preprocessing_fn="modules.preprocessing.preprocessing_fn",
        materialize=False,
        disable_statistics=True,
        custom_config={"model": MODEL},
    )
    inputs = {"examples": examples, "schema": schema}
    outputs = {"transform_graph": graph, "updated_analyzer_cache": cache}
    _execute(TransformExecutor, folder, beam_arguments, inputs, outputs, component.exec_properties)
    return graph.uri


def run_evaluator(folder: Path, examples, schema, beam_arguments: list[str]):
    model = new_artifact(standard_artifacts.Model, folder / "model")
    module = Darkness(["cat", "dog"])
    signatures = {"serving_default": module.serving_default}
    tf.saved_model.save(module, str(folder / "model/Format-Serving"), signatures=signatures)
    baseline = new_artifact(artifacts.BaselineModel, folder / "baseline")
    Chosen(None, "first").write(folder / "baseline")
    report = new_artifact(artifacts.IngestReport, folder / "ingest_report")
    DataRecord.of([("ab" * 32, "cat", "test")]).write(folder / "ingest_report")
    inputs = {
        "examples": examples,
        "schema": schema,
        "model": model,
        "baseline_model": baseline,
        "ingest_report": report,
    }
    outputs = {
        "evaluation": new_artifact(standard_artifacts.ModelEvaluation, folder / "evaluation"),
        "blessing": new_artifact(standard_artifacts.ModelBlessing, folder / "blessing"),
        "predictions": new_artifact(artifacts.Predictions, folder / "predictions"),
    }
    properties = {
        "evaluation_settings": json.dumps(EVALUATION),
        "thresholds": json.dumps(THRESHOLDS),
        "source_hash": "",
    }
    _execute(EvaluatorExecutor, folder, beam_arguments, inputs, outputs, properties)
    verdict = json.loads((folder / "blessing/verdict.json").read_text(encoding="utf-8"))
    return verdict, predictions.read(str(folder / "predictions"))


def _channel(artifact):
    return channel_utils.as_channel([artifact])


def _execute(executor_class, folder: Path, beam_arguments, inputs, outputs, properties) -> None:
    context = executor_class.Context(
        beam_pipeline_args=list(beam_arguments), tmp_dir=str(folder / "temporary"), unique_id="1"
    )
    executor_class(context).Do(
        {name: [artifact] for name, artifact in inputs.items()},
        {name: [artifact] for name, artifact in outputs.items()},
        properties,
    )
