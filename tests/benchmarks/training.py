"""The Trainer's inner loops against bare Keras on the same images, in one process.

python -m tests.benchmarks.training
"""

import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from modules.backbones import build_backbone, preprocess
from modules.examples import LabelledImages
from modules.model import build_classifier, set_trainable
from modules.recipe import Model, Stage, Training
from modules.stages import Setting, run_stages
from modules.store import ArrayStore
from tests.benchmarks.rows import Row, machine, table

DATA = Path("data/fashion_mnist")
MODEL = Model(image_size=161, weights="data/weights/mobilenet_v2_1.0_notop.weights.h5")
BATCH_SIZE = 32


def load(split: str) -> LabelledImages:
    files = sorted((DATA / split).glob("*/*.png"))
    names = sorted({file.parent.name for file in files})
    images = tf.stack([tf.io.decode_png(file.read_bytes(), channels=3) for file in files])
    size = (MODEL.image_size, MODEL.image_size)
    pixels = tf.cast(tf.round(tf.image.resize(images, size)), tf.uint8).numpy()
    return LabelledImages(pixels, np.array([names.index(file.parent.name) for file in files]))


def classifier():
    return build_classifier(build_backbone(MODEL, MODEL.image_size), MODEL.head, num_classes=10, seed=1)


def setting(stage: Stage, train: LabelledImages, evaluation: LabelledImages, folder: str) -> Setting:
    return Setting(
        training=Training(recipe=(stage,), batch_size=BATCH_SIZE),
        preprocessing="tf",
        labels=tuple(str(number) for number in range(10)),
        train=train,
        eval=evaluation,
        store=ArrayStore(f"{folder}/store", "auto"),
        replicas=1,
        state_dir=f"{folder}/state",
        log_dir=f"{folder}/logs",
    )


def head_epochs(train: LabelledImages, evaluation: LabelledImages) -> Row:
    """Ten epochs of the head, storing the activations included, against one pass of the backbone."""
    backbone = build_backbone(MODEL, MODEL.image_size)
    backbone.compile(jit_compile=False)
    started = time.perf_counter()
    images = tf.data.Dataset.from_tensor_slices(train.pixels).batch(BATCH_SIZE)
    backbone.predict(images.map(lambda pixels: preprocess(tf.cast(pixels, tf.float32), "tf")), verbose=0)
    one_pass = time.perf_counter() - started

    stage = Stage(name="head", train="head", epochs=10)
    with tempfile.TemporaryDirectory() as folder:
        model = classifier()
        started = time.perf_counter()
        run_stages(model, setting(stage, train, evaluation, folder))
        ours = time.perf_counter() - started
    return Row("ten head epochs, against one pass of the backbone", ours, one_pass, "s", 1.5)


def fine_tuning_step(train: LabelledImages, evaluation: LabelledImages) -> Row:
    """Fine-tuning everything, images a second, against `model.fit` on float arrays in memory."""
    stage = Stage(name="fine_tuning", train="all", epochs=3, learning_rate=1e-5)
    few_train = LabelledImages(train.pixels[::3], train.labels[::3])
    few_eval = LabelledImages(evaluation.pixels[:32], evaluation.labels[:32])

    bare = classifier()
    set_trainable(bare, stage)
    bare.model.compile(
        optimizer=keras.optimizers.Adam(1e-5),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    images = preprocess(tf.cast(few_train.pixels, tf.float32), "tf").numpy()
    seconds = []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            seconds.append(time.perf_counter() - self.started)

    bare.model.fit(images, few_train.labels, BATCH_SIZE, epochs=3, callbacks=[Clock()], verbose=0)

    with tempfile.TemporaryDirectory() as folder:
        (record,) = run_stages(classifier(), setting(stage, few_train, few_eval, folder))
    ours = min(row["training_seconds"] for row in record["epochs"][1:])  # the first epoch traces the graph
    count = len(few_train)
    return Row("fine-tuning", count / ours, count / min(seconds[1:]), "images/s", 0.9, more_is_better=True)


def rows() -> list[Row]:
    train, test = load("train"), load("test")
    evaluation = LabelledImages(test.pixels[:150], test.labels[:150])
    return [head_epochs(train, evaluation), fine_tuning_step(train, evaluation)]


if __name__ == "__main__":
    print(machine())
    print(table(rows()))
