"""Batches for `fit`: an order that depends on seed, stage and epoch alone, so that training can resume."""

from typing import Optional

import numpy as np
import tensorflow as tf

from modules.augmentation import augment
from modules.recipe import Augmentation


def epoch_order(seed: int, stage: int, epoch: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns a permutation int64 [count] and a seed for each place in it, int32 [count, 2]."""
    random = np.random.default_rng([abs(seed), int(seed < 0), stage, epoch])
    return random.permutation(count), random.integers(0, 2**31 - 1, (count, 2), np.int32)


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Returns how many batches an epoch takes; the last one may be smaller."""
    return -(-count // batch_size)


def training_batches(
    inputs: np.ndarray,
    labels: np.ndarray,
    class_weights: Optional[np.ndarray],
    *,
    augmentation: Augmentation,
    batch_size: int,
    replicas: int,
    order_of_epoch,
    epochs: range,
) -> tf.data.Dataset:
    """Returns the batches of all epochs, one epoch after the other: inputs, labels, and weights if given.

    Args:
      inputs: pixels uint8 [images, size, size, 3] or stored activations [images, ...].
      labels: int64 [images].
      class_weights: float32 [classes], or None.
      augmentation: applied to pixels when it is random; they become float32 in [0, 255].
      replicas: devices that share a batch. The last batch of an epoch is filled up to a multiple of it
        with images from the epoch's beginning, because a device without images has no mean loss.
      order_of_epoch: from an epoch's number to what `epoch_order` returns.
    """

    def choices():
        for epoch in epochs:
            order, seeds = order_of_epoch(epoch)
            missing = -len(order) % replicas
            order, seeds = wrap(order, missing), wrap(seeds, missing)
            for start in range(0, len(order), batch_size):
                yield order[start : start + batch_size], seeds[start : start + batch_size]

    def gather(chosen):
        taken = inputs[chosen], labels[chosen]
        return taken if class_weights is None else (*taken, class_weights[taken[1]])

    types = [tf.as_dtype(inputs.dtype), tf.int64] + ([] if class_weights is None else [tf.float32])

    def batch(chosen, seeds):
        x, *rest = tf.numpy_function(gather, [chosen], types, stateful=False)
        x = tf.ensure_shape(x, [None, *inputs.shape[1:]])
        rest = [tf.ensure_shape(vector, [None]) for vector in rest]
        if augmentation.is_random:
            x = augment(tf.cast(x, tf.float32), augmentation, seeds)
        return (x, *rest)

    signature = (tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, 2], tf.int32))
    dataset = tf.data.Dataset.from_generator(choices, output_signature=signature)
    return dataset.map(batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def wrap(array: np.ndarray, missing: int) -> np.ndarray:
    """Returns the array and `missing` entries from its beginning, going round as often as needed."""
    return np.resize(array, (len(array) + missing, *array.shape[1:]))


def evaluation_batches(
    inputs: np.ndarray, labels: np.ndarray, batch_size: int, replicas: int
) -> tf.data.Dataset:
    """Returns inputs and labels in their order.

    With several devices up to `replicas - 1` images at the end are left out, so that each has its share.
    """
    count = len(labels) - len(labels) % replicas or len(labels)
    types = [tf.as_dtype(inputs.dtype), tf.int64]

    def take(start):
        chosen = slice(start, min(start + batch_size, count))
        return inputs[chosen], labels[chosen]

    def batch(start):
        x, y = tf.numpy_function(take, [start], types, stateful=False)
        return tf.ensure_shape(x, [None, *inputs.shape[1:]]), tf.ensure_shape(y, [None])

    starts = tf.data.Dataset.range(0, count, batch_size)
    return starts.map(batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
