"""A training on one and on two logical CPU devices: run as a module with FOLDER COUNT..."""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from modules import activations
from modules.recipe import Augmentation, Head, Stage
from modules.stages import run_stages
from modules.strategy import build_strategy
from tests.tiny_training import IMAGE_SIZE, tiny_classifier, tiny_setting

# 45 images in batches of 10: the last batch of an epoch is odd. No dropout, which draws on each device.
STAGES = (
    Stage(name="head", epochs=2, learning_rate=0.01),
    Stage(name="top", train="top 1 layers", epochs=1),
    Stage(name="all", train="all", epochs=1, augmentation=Augmentation(flip_horizontal=True)),
)


def train(folder: str, strategy: tf.distribute.Strategy, images: int):
    """Returns the weights and the records of a training."""
    keras.utils.set_random_seed(9)
    with strategy.scope():
        classifier = tiny_classifier(Head(dropout=0.0))
        replicas = strategy.num_replicas_in_sync
        records = run_stages(classifier, tiny_setting(folder, *STAGES, images=images, replicas=replicas))
    return classifier.model.get_weights(), records


if __name__ == "__main__":
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    activations.PIXELS_A_BATCH = 16 * IMAGE_SIZE**2  # several batches a pass, the last of another size
    start = tiny_classifier(Head(dropout=0.0)).model.get_weights()
    mirrored = build_strategy("mirrored")  # one a process: TensorFlow numbers collectives for the process
    for images in map(int, sys.argv[2:]):
        one, one_records = train(f"{sys.argv[1]}/{images}/one", build_strategy("none"), images)
        two, two_records = train(f"{sys.argv[1]}/{images}/two", mirrored, images)
        losses = [[row["loss"] for r in rs for row in r["epochs"]] for rs in (one_records, two_records)]
        facts = {
            "devices": mirrored.num_replicas_in_sync,
            "stored": [record["stored_activations"] for record in two_records],
            "movement": max(float(np.abs(a - b).max()) for a, b in zip(start, one, strict=True)),
            "difference": max(float(np.abs(a - b).max()) for a, b in zip(one, two, strict=True)),
            "loss_difference": float(np.abs(np.subtract(*losses)).max()),
        }
        print(json.dumps(facts))
