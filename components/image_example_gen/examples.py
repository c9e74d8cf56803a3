"""The tf.Example of one image; the features are those of modules/features.py."""

import tensorflow as tf

from components.image_example_gen.decisions import InspectedImage
from modules import features


def to_example(image: InspectedImage, image_bytes: bytes) -> tf.train.Example:
    """Returns the raw example of an image.

    Args:
      image: what is known about it.
      image_bytes: the encoded image as the graph shall decode it: the file, or a PNG made from it.
    """
    facts = image.facts
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                features.IMAGE_BYTES: _bytes(image_bytes),
                features.LABEL: _bytes(image.label.encode()),
                features.WIDTH: _int64(facts.width),
                features.HEIGHT: _int64(facts.height),
                features.CHANNELS: _int64(facts.channels),
                features.BYTE_SIZE: _int64(facts.byte_size),
                features.MEAN_BRIGHTNESS: tf.train.Feature(
                    float_list=tf.train.FloatList(value=[facts.mean_brightness])
                ),
                features.IMAGE_FORMAT: _bytes(facts.image_format.encode()),
                features.CONTENT_HASH: _bytes(facts.content_hash.encode()),
                features.SOURCE_PATH: _bytes(image.path.encode()),
            }
        )
    )


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _int64(value: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
