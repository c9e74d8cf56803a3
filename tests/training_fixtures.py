"""Tiny data, a tiny backbone and a transform graph, for tests of the training."""

import io
import os
from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from PIL import Image
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from modules import features
from modules.preprocessing import preprocessing_fn

IMAGE_SIZE = 32
CLASSES = ("bright", "dark", "striped")
RAW_SPEC = {
    features.IMAGE_BYTES: tf.io.FixedLenFeature([1], tf.string),
    features.LABEL: tf.io.FixedLenFeature([1], tf.string),
    features.WIDTH: tf.io.FixedLenFeature([1], tf.int64),
    features.MEAN_BRIGHTNESS: tf.io.FixedLenFeature([1], tf.float32),
    features.CONTENT_HASH: tf.io.FixedLenFeature([1], tf.string),
}


def tiny_image(label: str, random: np.random.Generator, size: int = 40) -> np.ndarray:
    """Returns a noisy picture uint8 [size, size, 3] of a class that a small network can learn."""
    level = {"bright": 180, "dark": 60}.get(label, 120)
    pixels = random.normal(level, 30, (size, size, 3))
    if label == "striped":
        pixels[::4] += 60
    return np.clip(pixels, 0, 255).astype(np.uint8)


def encode(pixels: np.ndarray, image_format: str = "PNG") -> bytes:
    """Returns the bytes of an image file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, image_format)
    return buffer.getvalue()


def example(image_bytes: bytes, label: str, content_hash: str) -> bytes:
    """Returns a serialized raw example."""

    def bytes_feature(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    values = {
        features.IMAGE_BYTES: bytes_feature(image_bytes),
        features.LABEL: bytes_feature(label.encode()),
        features.WIDTH: tf.train.Feature(int64_list=tf.train.Int64List(value=[40])),
        features.MEAN_BRIGHTNESS: tf.train.Feature(float_list=tf.train.FloatList(value=[100.0])),
        features.CONTENT_HASH: bytes_feature(content_hash.encode()),
    }
    return tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString()


def write_examples(folder: str, counts: dict[str, int], labels=CLASSES) -> None:
    """Writes splits of gzip TFRecord files with images of all classes in turn."""
    for number, (split, count) in enumerate(counts.items()):
        random = np.random.default_rng(number)
        os.makedirs(f"{folder}/Split-{split}")
        path = f"{folder}/Split-{split}/data_tfrecord-00000-of-00001.gz"
        with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
            for i in range(count):
                label = labels[i % len(labels)]
                image_bytes = encode(tiny_image(label, random))
                writer.write(example(image_bytes, label, f"{split}-{i}"))


def write_transform_graph(folder: str, model: dict, labels=CLASSES) -> None:
    """Writes what the Transform component would, for a model and its classes."""
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(RAW_SPEC))
    random = np.random.default_rng(0)
    # The vocabulary is sorted by falling frequency: make the order the one of `labels`.
    rows = [
        {
            features.IMAGE_BYTES: [encode(tiny_image(label, random))],
            features.LABEL: [label.encode()],
            features.WIDTH: [40],
            features.MEAN_BRIGHTNESS: [100.0],
            features.CONTENT_HASH: [b""],
        }
        for position, label in enumerate(labels)
        for _ in range(len(labels) - position)
    ]
    with tft_beam.Context(temp_dir=f"{folder}.tmp"):
        transform = (rows, metadata) | tft_beam.AnalyzeDataset(
            lambda inputs: preprocessing_fn(inputs, {"model": model})
        )
        transform | tft_beam.WriteTransformFn(folder)
    metadata_io.write_metadata(metadata, f"{folder}/metadata")


def save_tiny_backbone(path: str, dropout: float = 0.0) -> None:
    """Saves a residual network with batch normalisation, of 16 layers, as a .keras file."""
    layers = keras.layers
    keras.utils.set_random_seed(1)

    def block(x, name):
        y = layers.Conv2D(8, 3, padding="same", name=f"{name}_conv")(x)
        y = layers.BatchNormalization(name=f"{name}_norm", momentum=0.5)(y)
        y = layers.ReLU(name=f"{name}_relu")(y)
        y = layers.Dropout(dropout, seed=3, name=f"{name}_drop")(y)
        return layers.Add(name=f"{name}_add")([x, y])

    images = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3))
    x = layers.Conv2D(8, 3, strides=4, padding="same", name="stem_conv")(images)
    x = layers.BatchNormalization(name="stem_norm", momentum=0.5)(x)
    x = layers.ReLU(name="stem_relu")(x)
    for name in ("one", "two"):
        x = block(x, name)
    x = layers.Conv2D(8, 1, name="last_conv")(x)
    keras.Model(images, x, name="tiny").save(path)


def trainer_arguments(folder, examples: str, transform: str, model: dict, training: dict) -> SimpleNamespace:
    """Returns what TFX hands to run_fn, with all outputs under a folder."""
    return SimpleNamespace(
        train_files=[f"{examples}/Split-train/*"],
        eval_files=[f"{examples}/Split-eval/*"],
        transform_output=transform,
        serving_model_dir=f"{folder}/model/Format-Serving",
        model_run_dir=f"{folder}/model_run",
        custom_config={
            "model": model,
            "training": training,
            "training_dir": f"{folder}/training",
            "tensorboard_dir": f"{folder}/tensorboard",
            "source_hash": "abc",
        },
    )
