"""The plain way as a TFX pipeline: stock components only, transformed examples materialised.

    python -m tests.benchmarks.plain_pipeline FOLDER

reads data/fashion_mnist, writes everything under FOLDER, the accuracy on the test images in accuracy.json.
"""

import hashlib
import json
import sys
from pathlib import Path

import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2
from tfx.components import (
    Evaluator,
    ExampleValidator,
    ImportExampleGen,
    Pusher,
    SchemaGen,
    StatisticsGen,
    Trainer,
    Transform,
)
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner
from tfx.proto import example_gen_pb2, pusher_pb2, trainer_pb2, transform_pb2

from components.image_example_gen.splits import split_of
from pipeline.config import Splits
from pipeline.settings_json import as_dict

MODULE = "tests.benchmarks.plain_module"


def write_examples(source: Path, folder: Path) -> int:
    """Writes the images of each split as TFRecords of tf.Examples, as the tutorials have them.

    The eval images are those that Headstart draws, so that both ways train on the same images.

    Returns:
      The number of training images.
    """
    train = sorted((source / "train").glob("*/*.png"))
    files_of = {"train": [], "eval": [], "test": sorted((source / "test").glob("*/*.png"))}
    for file in train:
        content_hash = hashlib.sha256(file.read_bytes()).hexdigest()
        files_of[split_of(content_hash, "train", ("train", "test"), as_dict(Splits()))].append(file)
    labels = sorted({file.parent.name for file in train})
    for split, files in files_of.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(folder / split / "images.tfrecord")) as writer:
            for file in files:
                image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[file.read_bytes()]))
                label = tf.train.Feature(
                    int64_list=tf.train.Int64List(value=[labels.index(file.parent.name)])
                )
                example = tf.train.Example(
                    features=tf.train.Features(feature={"image": image, "label": label})
                )
                writer.write(example.SerializeToString())
    return len(files_of["train"])


def create_pipeline(folder: Path, train_examples: int) -> pipeline.Pipeline:
    splits = example_gen_pb2.Input(
        splits=[
            example_gen_pb2.Input.Split(name=split, pattern=f"{split}/*")
            for split in ("train", "eval", "test")
        ]
    )
    example_gen = ImportExampleGen(input_base=str(folder / "examples"), input_config=splits)
    examples = example_gen.outputs["examples"]
    statistics_gen = StatisticsGen(examples=examples)
    schema_gen = SchemaGen(statistics=statistics_gen.outputs["statistics"])
    schema = schema_gen.outputs["schema"]
    validator = ExampleValidator(statistics=statistics_gen.outputs["statistics"], schema=schema)
    transform = Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn=f"{MODULE}.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
    )
    trainer = Trainer(
        run_fn=f"{MODULE}.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        train_args=trainer_pb2.TrainArgs(num_steps=-(-train_examples // 32)),
        eval_args=trainer_pb2.EvalArgs(),
    )
    eval_config = config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                signature_name="serving_default", label_key="label", prediction_key="probabilities"
            )
        ],
        slicing_specs=[config_pb2.SlicingSpec()],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    config_pb2.MetricConfig(class_name="ExampleCount"),
                    config_pb2.MetricConfig(
                        class_name="SparseCategoricalAccuracy",
                        threshold=config_pb2.MetricThreshold(
                            value_threshold=config_pb2.GenericValueThreshold(lower_bound={"value": 0.1})
                        ),
                    ),
                ]
            )
        ],
    )
    evaluator = Evaluator(
        examples=examples,
        example_splits=["test"],
        model=trainer.outputs["model"],
        eval_config=eval_config,
        schema=schema,
    )
    pusher = Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(folder / "serving"))
        ),
    )
    return pipeline.Pipeline(
        pipeline_name="plain",
        pipeline_root=str(folder / "pipeline"),
        components=[
            example_gen,
            statistics_gen,
            schema_gen,
            validator,
            transform,
            trainer,
            evaluator,
            pusher,
        ],
        metadata_connection_config=metadata.sqlite_metadata_connection_config(
            str(folder / "metadata.sqlite")
        ),
    )


def accuracy(folder: Path) -> tuple[float, int]:
    """Returns accuracy and number of test images as the Evaluator measured them."""
    (evaluation,) = (folder / "pipeline" / "Evaluator" / "evaluation").iterdir()
    metrics = tfma.load_eval_result(str(evaluation)).get_metrics_for_all_slices()[()]
    return metrics["sparse_categorical_accuracy"]["doubleValue"], int(metrics["example_count"]["doubleValue"])


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    train_examples = write_examples(Path("data/fashion_mnist"), folder / "examples")
    BeamDagRunner().run(create_pipeline(folder, train_examples))
    value, count = accuracy(folder)
    (folder / "accuracy.json").write_text(json.dumps({"accuracy": value, "images": count}))


if __name__ == "__main__":
    main()
