"""The output of a stage's frozen layers, computed once for every image."""

import logging
import time
from typing import Optional

import numpy as np

from modules.batches import evaluation_batches
from modules.model import FromPixels
from modules.store import ArrayStore
from modules.strategy import uses_xla

PIXELS_A_BATCH = 64 * 224 * 224  # large batches are fast, and this many pixels still fit small machines
BYTES_A_CHUNK = 256e6

logger = logging.getLogger("headstart.training")


def inference_batch_size(image_size: int) -> int:
    """Returns how many images of a size pass through a backbone together."""
    return max(1, PIXELS_A_BATCH // image_size**2)


def store_activations(
    model: FromPixels, pixels: np.ndarray, store: ArrayStore, name: str
) -> Optional[np.ndarray]:
    """Runs every image through the frozen layers.

    Args:
      model: preprocessing and frozen layers, without a top.
      pixels: uint8 [images, size, size, 3].

    Returns:
      The activations [images, ...], or None when the store has no room for them.
    """
    shape = model.frozen.compute_output_shape((1, *pixels.shape[1:]))[1:]
    activations = store.allocate(name, (len(pixels), *shape), model.frozen.outputs[0].dtype)
    if activations is None:
        return None
    started = time.monotonic()
    chunk = max(1, int(BYTES_A_CHUNK / activations[0].nbytes))
    for start in range(0, len(pixels), chunk):
        part = slice(start, start + chunk)
        activations[part] = predict(model, pixels[part])
        done = min(start + chunk, len(pixels))
        logger.info(
            "Frozen layers: %d of %d images (%s), %.0f images/s",
            done, len(pixels), name, done / (time.monotonic() - started),
        )  # fmt: skip
    return activations


def predict(model: FromPixels, pixels: np.ndarray) -> np.ndarray:
    """Returns the model's output for every image, in inference mode."""
    model.jit_compile = uses_xla()
    batch_size = inference_batch_size(pixels.shape[1])
    labels = np.zeros(len(pixels), np.int64)
    return model.predict(evaluation_batches(pixels, labels, batch_size, replicas=1), verbose=0)
