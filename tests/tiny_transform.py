"""Examples on disk and the graph that Transform makes of them, for tests of the Trainer as TFX runs it."""

from pathlib import Path
from types import SimpleNamespace

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tfx_bsl.public import tfxio

from modules import features
from modules.preprocessing import preprocessing_fn
from tests.tiny_data import png, raw_example
from tests.tiny_training import LABELS, tiny_image

STRINGS = (
    features.IMAGE_BYTES,
    features.LABEL,
    features.IMAGE_FORMAT,
    features.CONTENT_HASH,
    features.SOURCE_PATH,
)
INTEGERS = (features.WIDTH, features.HEIGHT, features.CHANNELS, features.BYTE_SIZE)
RAW_SPEC = {
    **{name: tf.io.FixedLenFeature([1], tf.string) for name in STRINGS},
    **{name: tf.io.FixedLenFeature([1], tf.int64) for name in INTEGERS},
    features.MEAN_BRIGHTNESS: tf.io.FixedLenFeature([1], tf.float32),
}


def tiny_examples(count: int, seed: int, size: int = 40) -> list[tf.train.Example]:
    """Returns raw examples of all LABELS in turn."""
    random = np.random.default_rng(seed)
    return [
        raw_example(png(tiny_image(label, random, size)), label, f"{label}/{i}.png")
        for i, label in enumerate(LABELS[i % len(LABELS)] for i in range(count))
    ]


def write_split(folder: Path, split: str, examples: list[tf.train.Example]) -> None:
    """Writes a split as ingest does."""
    (folder / f"Split-{split}").mkdir(parents=True)
    path = str(folder / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz")
    with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions("GZIP")) as writer:
        for example in examples:
            writer.write(example.SerializeToString())


def write_transform_graph(folder: Path, examples: Path, model: dict) -> str:
    """Analyses the train split as the Transform component does, and returns the folder of its graph."""
    metadata = tft.DatasetMetadata.from_feature_spec(RAW_SPEC)
    source = tfxio.TFExampleRecord(f"{examples}/Split-train/*", schema=metadata.schema)
    with beam.Pipeline() as pipeline, tft_beam.Context(temp_dir=f"{folder}.temporary"):
        data = pipeline | source.BeamSource(), source.TensorAdapterConfig()
        transform_fn = data | tft_beam.AnalyzeDataset(
            lambda inputs: preprocessing_fn(inputs, {"model": model})
        )
        _ = transform_fn | tft_beam.WriteTransformFn(str(folder))
        raw_metadata = str(folder / tft.TFTransformOutput.RAW_METADATA_DIR)
        _ = metadata | tft_beam.WriteMetadata(raw_metadata, pipeline)
    return str(folder)


def trainer_arguments(
    folder: Path, examples: Path, transform_graph: str, model: dict, training: dict
) -> SimpleNamespace:
    """Returns what TFX hands to run_fn, with all outputs under a folder."""
    return SimpleNamespace(
        train_files=[f"{examples}/Split-train/*"],
        eval_files=[f"{examples}/Split-eval/*"],
        transform_output=transform_graph,
        serving_model_dir=f"{folder}/model/Format-Serving",
        model_run_dir=f"{folder}/model_run",
        custom_config={
            "model": model,
            "training": training,
            "training_dir": f"{folder}/training",
            "tensorboard_dir": f"{folder}/tensorboard",
            "source_hash": "abc",
            "graph_source_hash": "def",
            "model_source_hash": "abc",
        },
    )
