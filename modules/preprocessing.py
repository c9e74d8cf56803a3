"""What Transform computes: pixels and image from the encoded bytes, and the label's index.

The same graph runs in training, evaluation and serving (as a part of the exported model).
"""

import os

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from pydantic import TypeAdapter

from modules import features
from modules.backbones import image_size_of, preprocess, preprocessing_mode
from modules.images import decode_and_resize_batch
from modules.recipe import Model

UNKNOWN_LABEL = -1


def preprocessing_fn(inputs: dict[str, tf.Tensor], custom_config: dict) -> dict[str, tf.Tensor]:
    """Computes what training, evaluation and serving see of raw examples.

    Args:
      inputs: raw features by name; image_bytes and label are strings [batch] or [batch, 1].
      custom_config: "model" holds modules.recipe.Model as a dict.

    Returns:
      pixels: float32 [batch, size, size, 3], RGB, whole numbers in [0, 255]. They fit into uint8, which
        tf.Transform does not allow as an output.
      image: float32 [batch, size, size, 3], equal to preprocess(pixels).
      label_index: int64 [batch], place of the label in the alphabetical vocabulary; -1 when unknown.
    """
    model = TypeAdapter(Model).validate_python(custom_config["model"])
    image_bytes = tf.reshape(inputs[features.IMAGE_BYTES], [-1])
    label = tf.reshape(inputs[features.LABEL], [-1])
    pixels = decode_and_resize_batch(image_bytes, image_size_of(model), model.resize)
    pixels = tf.cast(pixels, tf.float32)
    return {
        features.PIXELS: pixels,
        features.IMAGE: preprocess(pixels, preprocessing_mode(model)),
        features.LABEL_INDEX: tft.apply_vocabulary(
            label, label_vocabulary(label), default_value=UNKNOWN_LABEL
        ),
    }


def label_vocabulary(label: tf.Tensor) -> tf.Tensor:
    """Returns the file name of the vocabulary asset: all labels of the analysed data, one a line, sorted.

    tft.vocabulary sorts by frequency, so that one more image could renumber the classes; in alphabetical
    order they keep their places, and people find them.
    """
    (file_name,) = tft.experimental.ptransform_analyzer(
        inputs=[label],
        ptransform=SortedVocabulary(features.LABEL_VOCABULARY),
        output_dtypes=[tf.string],
        output_shapes=[[]],
        output_asset_default_values=[b"not analysed yet"],  # a table cannot be made of an empty file
    )
    return file_name


class SortedVocabulary(tft_beam.experimental.PTransformAnalyzer):
    """Writes the distinct values of batches of strings to a file, sorted by their bytes."""

    def __init__(self, file_name: str):
        super().__init__()
        self.file_name = file_name

    def expand(self, batches: beam.PCollection[tuple[np.ndarray]]) -> beam.PCollection[str]:
        return (
            batches
            | "Flatten" >> beam.FlatMap(lambda batch: batch[0].ravel().tolist())
            | "Distinct" >> beam.Distinct()
            | "Together" >> beam.combiners.ToList()
            | "Write" >> beam.Map(write_sorted_lines, os.path.join(self.base_temp_dir, self.file_name))
        )


def write_sorted_lines(labels: list[bytes], path: str) -> str:
    """Writes the labels to a file, one a line, sorted by their bytes, and returns its path.

    Raises:
      ValueError: without any label, and for a label that would not stay on one line.
    """
    if not labels:
        raise ValueError("Transform: the train split holds no example, so there is no label to learn.")
    for label in labels:
        if b"\n" in label or b"\r" in label:
            raise ValueError(f"Transform: the label {label!r} contains a line break. Rename the class.")
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(b"".join(label + b"\n" for label in sorted(labels)))
    return path
