"""Courses of the learning rate over a stage, in steps."""

import math
from typing import Union

import keras

from modules.recipe import Stage

# Each maps progress, 0 to 1 over the steps after warm-up, to a share of the peak.
DECAYS = {
    "constant": lambda progress: keras.ops.ones_like(progress),
    "exponential": lambda progress: keras.ops.power(0.01, progress),
    # SGDR, Loshchilov and Hutter 2017, equation 5, one period and no restart.
    "cosine": lambda progress: 0.5 * (1.0 + keras.ops.cos(math.pi * progress)),
}


class WarmupThenDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly from zero to the peak, then follows one of DECAYS to the end of the stage."""

    def __init__(self, peak: float, decay: str, warmup_steps: int, total_steps: int):
        """
        Args:
          warmup_steps: the peak is reached at this step; 0 starts with it.
          total_steps: steps of the whole stage, warm-up included.
        """
        self.peak = peak
        self.decay = decay
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps

    def __call__(self, step):
        """Returns the learning rate of a step, counted from 0."""
        step = keras.ops.cast(step, "float32")
        warmup = (step + 1.0) / (self.warmup_steps + 1.0)
        steps_of_decay = max(1, self.total_steps - self.warmup_steps)
        progress = keras.ops.clip((step - self.warmup_steps) / steps_of_decay, 0.0, 1.0)
        return self.peak * keras.ops.where(step < self.warmup_steps, warmup, DECAYS[self.decay](progress))

    def get_config(self):
        """Returns the arguments that make an equal schedule."""
        return {
            "peak": self.peak,
            "decay": self.decay,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
        }


def learning_rate_of(stage: Stage, steps_per_epoch: int) -> Union[float, WarmupThenDecay]:
    """Returns the stage's learning rate: a number when it is constant, so that a plateau may reduce it."""
    if stage.schedule == "constant" and not stage.warmup_epochs:
        return stage.learning_rate
    total_steps = stage.epochs * steps_per_epoch
    warmup_steps = min(round(stage.warmup_epochs * steps_per_epoch), total_steps)
    return WarmupThenDecay(stage.learning_rate, stage.schedule, warmup_steps, total_steps)
