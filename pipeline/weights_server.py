"""Whether ImageNet weights can be had, asked before a run does an hour's work without them."""

import os
import re
import urllib.error
import urllib.request
from pathlib import Path

from modules.recipe import Model

# What keras.applications downloads from (keras/src/applications/mobilenet_v2.py).
WEIGHTS_URL = "https://storage.googleapis.com/tensorflow/keras-applications/"


def missing_weights(model: Model, url: str = WEIGHTS_URL) -> str | None:
    """Returns why the weights that a config asks for cannot be had; None when nothing is in the way."""
    if model.weights != "imagenet" or model.backbone_file or is_downloaded(model.backbone):
        return None
    error = reach_weights(url)
    if error is None:
        return None
    return (
        f"model.weights: the ImageNet weights of {model.backbone} are not on this machine, and the server "
        f"that has them does not answer ({error}). Without internet, set model.weights to the path of a "
        "weights file: data/weights/mobilenet_v2_1.0_notop.weights.h5 in the repository fits MobileNetV2. "
        "Or set it to none to train from scratch."
    )


def is_downloaded(backbone: str) -> bool:
    """Returns whether Keras' own folder holds weights of a backbone without its top."""
    folder = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"
    files = folder.glob("*no*top*.h5") if folder.is_dir() else ()
    return any(_plain(backbone) in _plain(file.name) for file in files)


def _plain(name: str) -> str:
    """Keras writes EfficientNetV2B0 as efficientnetv2-b0 and MobileNetV2 as mobilenet_v2 in file names."""
    return re.sub("[^a-z0-9]", "", name.lower())


def reach_weights(url: str = WEIGHTS_URL, timeout_seconds: float = 3.0) -> str | None:
    """Returns None when a server answers at the URL, whatever it answers, else why not."""
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=timeout_seconds).close()
    except urllib.error.HTTPError as error:
        return None if error.code < 500 else str(error)  # a folder may be forbidden while its files are not
    except OSError as error:
        return str(getattr(error, "reason", error))
    return None
