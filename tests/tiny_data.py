"""Tiny image data as the steps of the pipeline hand it to each other: examples, statistics, artifacts."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow as tf
from PIL import Image
from tensorflow_data_validation.statistics import stats_impl
from tfx.types import Artifact, standard_artifacts

from components.schema_gen.statistics import statistics_options
from modules import features


def png(pixels: np.ndarray) -> bytes:
    """Returns the uint8 [height, width, 3] pixels as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def grey_png(value: int, size: int = 8) -> bytes:
    """Returns a PNG file of one grey, 0 to 255."""
    return png(np.full((size, size, 3), value, np.uint8))


def raw_example(image_bytes: bytes, label: str, path: str = "") -> tf.train.Example:
    """Returns the example that ingest makes of an image file."""
    pixels = np.asarray(Image.open(io.BytesIO(image_bytes)).convert("RGB"))
    values = {
        features.IMAGE_BYTES: image_bytes,
        features.LABEL: label.encode(),
        features.WIDTH: pixels.shape[1],
        features.HEIGHT: pixels.shape[0],
        features.CHANNELS: 3,
        features.BYTE_SIZE: len(image_bytes),
        features.MEAN_BRIGHTNESS: float(pixels.mean()),
        features.IMAGE_FORMAT: b"PNG",
        features.CONTENT_HASH: hashlib.sha256(image_bytes).hexdigest().encode(),
        features.SOURCE_PATH: path.encode(),
    }
    return tf.train.Example(features=tf.train.Features(feature={k: _feature(v) for k, v in values.items()}))


def _feature(value: bytes | int | float) -> tf.train.Feature:
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    if isinstance(value, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))


def examples_artifact(folder: Path, splits: dict[str, list[tf.train.Example]]) -> Artifact:
    """Writes the examples of each split into one gzip file."""
    artifact = new_artifact(standard_artifacts.Examples, folder)
    artifact.splits = list(splits)
    artifact.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    for split, examples in splits.items():
        path = folder / f"Split-{split}"
        path.mkdir()
        file = path / "data_tfrecord-00000-of-00001.gz"
        with tf.io.TFRecordWriter(str(file), tf.io.TFRecordOptions("GZIP")) as writer:
            for example in examples:
                writer.write(example.SerializeToString())
    return artifact


def new_artifact(artifact_type: type[Artifact], folder: Path) -> Artifact:
    """Returns an empty artifact over a new folder."""
    folder.mkdir(parents=True)
    artifact = artifact_type()
    artifact.uri = str(folder)
    return artifact


def statistics(labels: list[str], **numbers):
    """Returns the statistics of images with these labels; numbers not given are those of one sort of image.

    Args:
      labels: class name of each image.
      **numbers: values of each image for width, height, channels, byte_size or mean_brightness.
    """
    ordinary = {"width": 64, "height": 48, "channels": 3, "byte_size": 5000, "mean_brightness": 128.0}
    columns = {features.LABEL: labels, features.IMAGE_FORMAT: ["PNG"] * len(labels)}
    columns |= {name: numbers.get(name, [value] * len(labels)) for name, value in ordinary.items()}
    types = {features.MEAN_BRIGHTNESS: pa.float32(), features.LABEL: pa.binary()}
    types[features.IMAGE_FORMAT] = pa.binary()
    arrays = [
        pa.array([[v] for v in values], pa.list_(types.get(name, pa.int64())))
        for name, values in columns.items()
    ]
    batch = pa.RecordBatch.from_arrays(arrays, list(columns))
    return stats_impl.generate_statistics_in_memory(batch, statistics_options())


def statistics_artifact(folder: Path, splits: dict) -> Artifact:
    """Writes the statistics of each split as StatisticsGen does."""
    artifact = new_artifact(standard_artifacts.ExampleStatistics, folder)
    artifact.splits = list(splits)
    for split, of_split in splits.items():
        (folder / f"Split-{split}").mkdir()
        (folder / f"Split-{split}" / "FeatureStats.pb").write_bytes(of_split.SerializeToString())
    return artifact
