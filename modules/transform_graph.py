"""The graph that Transform wrote, as training and serving call it."""

import os

import tensorflow as tf
import tensorflow_transform as tft

from modules import features


class TransformGraph(tf.Module):
    """Raw features to pixels, image and label index; keeps its tables alive as part of a saved model."""

    def __init__(self, transform_output: str):
        """
        Args:
          transform_output: folder of a transform graph, as the Transform component writes it.
        """
        super().__init__()
        output = tft.TFTransformOutput(transform_output)
        self.directory = output.transform_savedmodel_dir
        self.labels = tuple(label.decode() for label in output.vocabulary_by_name(features.LABEL_VOCABULARY))
        self._raw_spec = output.raw_feature_spec()
        self._loaded = tf.saved_model.load(self.directory)

    def parse(self, serialized):
        """Returns the raw features of serialized tf.Examples: string [batch]."""
        return tf.io.parse_example(serialized, self._raw_spec)

    def __call__(self, raw: dict) -> dict:
        """Returns the features that Transform makes; see modules.features for names and shapes."""
        return self._loaded.transform_fn(raw)

    def pixels_and_labels(self, raw: dict) -> tuple:
        """Returns resized pixels uint8 [batch, size, size, 3] and label indices int64 [batch]."""
        transformed = self(raw)
        # Transform can only declare int64, float32 and string outputs; here the pixels are bytes again.
        pixels = tf.cast(transformed[features.PIXELS], tf.uint8)
        return pixels, tf.reshape(transformed[features.LABEL_INDEX], [-1])

    def image(self, image_bytes):
        """Returns preprocessed images float32 [batch, size, size, 3] of encoded ones: string [batch].

        The graph wants every raw feature, but only the bytes decide about the image: the others are blank.
        """
        batch_size = tf.shape(image_bytes)[0]
        raw = {name: blank(spec, batch_size) for name, spec in self._raw_spec.items()}
        raw[features.IMAGE_BYTES] = image_bytes[:, tf.newaxis]
        return self(raw)[features.IMAGE]

    def files(self) -> list[str]:
        """Returns the files that define the graph, sorted."""
        return sorted(
            os.path.join(folder, name)
            for folder, _, names in tf.io.gfile.walk(self.directory)
            for name in names
        )


def blank(spec, batch_size):
    """Returns a batch of zeros or empty strings that fits a feature's parsing spec."""
    if isinstance(spec, tf.io.FixedLenFeature):
        value = tf.constant("" if spec.dtype == tf.string else 0, spec.dtype)
        return tf.fill([batch_size, *spec.shape], value)
    shape = tf.stack([tf.cast(batch_size, tf.int64), 0])
    return tf.SparseTensor(tf.zeros([0, 2], tf.int64), tf.zeros([0], spec.dtype), shape)
