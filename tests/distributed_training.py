"""A training on one and on two logical CPU devices: `python -m tests.distributed_training FOLDER`."""

import sys

import keras
import numpy as np
import tensorflow as tf

from modules.recipe import Augmentation, Head, Stage
from modules.stages import run_stages
from modules.strategy import build_strategy, precision
from tests.tiny_training import tiny_classifier, tiny_setting

# 45 images in batches of 10: the last batch of an epoch is odd. No dropout, which draws on each device.
STAGES = (
    Stage(name="head", epochs=2, learning_rate=0.01),
    Stage(name="top", train="top 1 layers", epochs=1),
    Stage(name="all", train="all", epochs=1, augmentation=Augmentation(flip_horizontal=True)),
)


def train(folder: str, distribution: str, images: int, mixed_precision: str = "none"):
    """Returns the weights, the records and the number of devices of a training."""
    strategy = build_strategy(distribution)
    replicas = strategy.num_replicas_in_sync
    keras.utils.set_random_seed(9)
    with strategy.scope(), precision(mixed_precision):
        classifier = tiny_classifier(Head(dropout=0.0))
        setting = tiny_setting(f"{folder}/{distribution}", *STAGES, images=images, replicas=replicas)
        records = run_stages(classifier, setting)
    return classifier.model.get_weights(), records, replicas


if __name__ == "__main__":
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    images = int(sys.argv[2])
    one, one_records, _ = train(sys.argv[1], "none", images)
    two, two_records, devices = train(sys.argv[1], "mirrored", images)
    difference = max(np.abs(a - b).max() for a, b in zip(one, two, strict=True))
    movement = max(
        np.abs(a - b).max() for a, b in zip(tiny_classifier().model.get_weights(), one, strict=True)
    )
    stored = [record["stored_activations"] for record in two_records]
    losses = [[row["loss"] for r in records for row in r["epochs"]] for records in (one_records, two_records)]
    print(devices, difference, movement, stored, np.abs(np.subtract(*losses)).max(), sep="|")
