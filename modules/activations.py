"""The output of a stage's frozen layers, computed once for every image."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Optional

import numpy as np
import tensorflow as tf

from modules.batches import evaluation_batches
from modules.model import FromPixels
from modules.store import ArrayStore
from modules.strategy import uses_xla

PIXELS_A_BATCH = 64 * 224 * 224  # large batches are fast, and this many pixels still fit small machines

logger = logging.getLogger("headstart.training")


def inference_batch_size(image_size: int) -> int:
    """Returns how many images of a size pass through a backbone together."""
    return max(1, PIXELS_A_BATCH // image_size**2)


def store_activations(
    model: FromPixels, pixels_of_splits: dict[str, np.ndarray], store: ArrayStore
) -> Optional[dict[str, np.ndarray]]:
    """Runs every image of all splits through the frozen layers.

    Args:
      model: preprocessing and frozen layers, without a top.
      pixels_of_splits: uint8 [images, size, size, 3] by split.

    Returns:
      The activations [images, ...] by split, or None when the store has no room for them.
    """
    infer, stored = inference(model), {}
    for split, pixels in pixels_of_splits.items():
        shape = model.frozen.compute_output_shape((1, *pixels.shape[1:]))[1:]
        dtype = model.frozen.outputs[0].dtype
        stored[split] = store.allocate(f"{split}_activations", (len(pixels), *shape), dtype)
        if stored[split] is None:
            return None
        started, done = time.monotonic(), 0
        for batch in outputs_in_batches(infer, pixels):
            stored[split][done : done + len(batch)] = batch
            done += len(batch)
        seconds = time.monotonic() - started
        logger.info("Frozen layers: %d %s images, %.0f a second", done, split, done / seconds)
    return stored


def inference(model: FromPixels) -> Callable:
    """Returns a function from an iterator over batches to the model's outputs of the next one, by device.

    It is one graph for batches of all sizes and on all devices: make it once and use it for every split.
    """
    strategy = tf.distribute.get_strategy()

    @tf.function(jit_compile=uses_xla())
    def infer(pixels):
        return model(pixels, training=False)

    # The batch is taken inside, where its size is unknown: the smaller last one needs no second graph.
    @tf.function
    def next_outputs(batches):
        pixels, _ = next(batches)
        return strategy.experimental_local_results(strategy.run(infer, args=(pixels,)))

    return next_outputs


def outputs_in_batches(infer: Callable, pixels: np.ndarray) -> Iterator[np.ndarray]:
    """Yields what `inference` computes of uint8 [images, size, size, 3], batch by batch in their order."""
    batch_size = inference_batch_size(pixels.shape[1])
    dataset = evaluation_batches(pixels, np.zeros(len(pixels), np.int64), batch_size, replicas=1)
    batches = iter(tf.distribute.get_strategy().experimental_distribute_dataset(dataset))
    for _ in range(0, len(pixels), batch_size):
        # Put together here: a collective gather on the devices wants shapes that never change.
        yield np.concatenate([output.numpy() for output in infer(batches)])
