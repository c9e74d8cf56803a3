"""A tiny SavedModel with the signatures that the Trainer exports: it tells dark images from bright ones."""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

LABELS = ("dark", "bright")


class BrightnessModel(tf.Module):
    """Gives "bright" the mean of the pixels, 0 to 1, as probability, and "dark" the rest."""

    def __init__(self, labels: tuple[str, str] = LABELS, weight: float = 1.0):
        super().__init__()
        self.labels = tf.constant(labels)
        self.weight = tf.Variable(weight)

    def probabilities(self, image_bytes: tf.Tensor) -> tf.Tensor:
        bright = self.weight * tf.map_fn(
            lambda one: tf.reduce_mean(tf.cast(tf.io.decode_png(one, 3), tf.float32)) / 255.0,
            image_bytes,
            fn_output_signature=tf.TensorSpec([], tf.float32),
        )
        return tf.stack([1.0 - bright, bright], axis=1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serve_images(self, image_bytes):
        probabilities = self.probabilities(image_bytes)
        order = tf.argsort(probabilities, axis=1, direction="DESCENDING")
        return {
            "labels": tf.gather(self.labels, order),
            "probabilities": tf.gather(probabilities, order, batch_dims=1),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serving_default(self, examples):
        parsed = tf.io.parse_example(examples, {"image_bytes": tf.io.FixedLenFeature([], tf.string)})
        return {
            "probabilities": self.probabilities(parsed["image_bytes"]),
            "all_classes": tf.tile(self.labels[tf.newaxis], [tf.shape(examples)[0], 1]),
        }


def save_model(folder: Path, labels: tuple[str, str] = LABELS, weight: float = 1.0) -> Path:
    """Writes the model as the Trainer does; returns its folder."""
    model = BrightnessModel(labels, weight)
    signatures = {"serving_default": model.serving_default, "serve_images": model.serve_images}
    tf.saved_model.save(model, str(folder), signatures=signatures)
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "headstart.json").write_text(json.dumps({"labels": list(labels)}))
    return folder


def write_reference_outputs(folder: Path, content_hashes: list[str], brightness: np.ndarray) -> Path:
    """Writes what the training path computed for images of these brightnesses, 0 to 255."""
    bright = np.asarray(brightness, np.float32) / 255.0
    path = folder / "reference_outputs.npz"
    np.savez(
        path,
        content_hash=np.array(content_hashes),
        probabilities=np.stack([1.0 - bright, bright], axis=1),
        labels=np.array(LABELS),
    )
    return path
