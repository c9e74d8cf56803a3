"""A tiny backbone and tiny pictures, so that trainings take seconds."""

import keras
import numpy as np

from modules.examples import LabelledImages
from modules.model import Classifier, build_classifier
from modules.recipe import Augmentation, Head, Stage, Training
from modules.stages import Setting
from modules.store import ArrayStore

IMAGE_SIZE = 32
LABELS = ("bright", "dark", "striped")


def tiny_image(label: str, random: np.random.Generator, size: int = IMAGE_SIZE) -> np.ndarray:
    """Returns a noisy picture uint8 [size, size, 3] of one of LABELS."""
    pixels = random.normal({"bright": 170, "dark": 80}.get(label, 120), 40, (size, size, 3))
    if label == "striped":
        pixels[::4] += 60
    return np.clip(pixels, 0, 255).astype(np.uint8)


def tiny_images(count: int, seed: int) -> LabelledImages:
    """Returns pictures of all LABELS in turn."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % len(LABELS)
    return LabelledImages(np.stack([tiny_image(LABELS[i], random) for i in labels]), labels.astype(np.int64))


def tiny_backbone(dropout: float = 0.0) -> keras.Model:
    """Returns a network of two residual blocks with batch normalisation; the same weights every time."""
    keras.utils.set_random_seed(1)
    layers = keras.layers

    def norm(name):
        return layers.BatchNormalization(momentum=0.5, name=name)

    images = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="images")
    x = layers.Conv2D(8, 3, strides=4, padding="same", name="stem_conv")(images)
    x = layers.ReLU(name="stem_relu")(norm("stem_norm")(x))
    for name in ("one", "two"):
        y = layers.Conv2D(8, 3, padding="same", name=f"{name}_conv")(x)
        y = layers.ReLU(name=f"{name}_relu")(norm(f"{name}_norm")(y))
        y = layers.Dropout(dropout, seed=3, name=f"{name}_drop")(y)
        x = layers.Add(name=f"{name}_add")([x, y])
    x = layers.Conv2D(8, 1, name="last_conv")(x)
    return keras.Model(images, x, name="tiny")


def tiny_classifier(head: Head = Head(), dropout: float = 0.0) -> Classifier:  # noqa: B008
    """Returns the tiny backbone with a head for LABELS; the same weights every time."""
    return build_classifier(tiny_backbone(dropout), head, len(LABELS), seed=0)


def tiny_setting(folder, *stages: Stage, images: int = 45, replicas: int = 1, **training) -> Setting:
    """Returns a training of stages on tiny pictures, with its files under a folder."""
    return Setting(
        training=Training(recipe=stages, batch_size=training.pop("batch_size", 10), **training),
        preprocessing="tf",
        labels=LABELS,
        train=tiny_images(images, seed=1),
        eval=tiny_images(images // 2, seed=2),
        store=ArrayStore(f"{folder}/store", "memory"),
        replicas=replicas,
        state_dir=f"{folder}/state",
        log_dir=f"{folder}/tensorboard",
    )


FLIPS = Augmentation(flip_horizontal=True)
