"""A stage's optimizer."""

import keras

from modules.recipe import Stage
from modules.schedules import learning_rate_of

OPTIMIZERS = {
    "adam": lambda rate, decay: keras.optimizers.Adam(rate, weight_decay=decay or None),
    "adamw": lambda rate, decay: keras.optimizers.AdamW(rate, weight_decay=decay),
    "sgd": lambda rate, decay: keras.optimizers.SGD(
        rate, momentum=0.9, nesterov=True, weight_decay=decay or None
    ),
    "rmsprop": lambda rate, decay: keras.optimizers.RMSprop(rate, weight_decay=decay or None),
}


def build_optimizer(stage: Stage, variables: list, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Returns the stage's optimizer, with decoupled weight decay on kernels only.

    Args:
      variables: what trains. Those of rank 1 or less, which are the biases and the scales and offsets of
        normalisation layers, do not decay: it would only pull the activations' statistics towards zero.
    """
    optimizer = OPTIMIZERS[stage.optimizer](learning_rate_of(stage, steps_per_epoch), stage.weight_decay)
    optimizer.exclude_from_weight_decay(var_list=[v for v in variables if len(v.shape) <= 1])
    return optimizer
