"""What happens at the end of an epoch: history, early stopping, learning rate, checkpoint, TensorBoard."""

import logging
import math
import os
import time

import keras
import numpy as np
import tensorflow as tf

from modules.checkpoint import StageState, save_stage
from modules.plateau import Plateau
from modules.recipe import Stage

SECONDS_BETWEEN_LINES = 15

logger = logging.getLogger("headstart.training")


class EpochEnd(keras.callbacks.Callback):
    """Keeps a stage's state up to date and on disk, and tells how far training is."""

    async_safe = True  # Keras may call the hooks of single steps from a thread, so that they cost nothing

    def __init__(
        self, stage: Stage, state: StageState, trained: keras.Model, path: str, log_dir: str, title: str
    ):
        """
        Args:
          state: continued from, and changed after every epoch.
          trained: the model whose variables change in the stage.
          path: file of the state.
          log_dir: folder for TensorBoard.
          title: how log lines begin, such as "Stage 1/2 head".
        """
        super().__init__()
        self.stage, self.state, self.trained, self.path, self.title = stage, state, trained, path, title
        self.train_writer = tf.summary.create_file_writer(os.path.join(log_dir, "train"))
        self.eval_writer = tf.summary.create_file_writer(os.path.join(log_dir, "eval"))
        self.stopping = plateau(stage.early_stopping, state.plateaus.get("stopping"))
        self.reducing = plateau(stage.reduce_on_plateau, state.plateaus.get("reducing"))

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock."""
        self.epoch = epoch
        self.started = self.last_line = time.monotonic()
        self.training_seconds = None

    def on_train_batch_end(self, batch, logs=None):
        """Shows during long epochs that training goes on."""
        now = time.monotonic()
        if now - self.last_line >= SECONDS_BETWEEN_LINES:
            self.last_line = now
            logger.info(
                "%s, epoch %d/%d, step %d/%d: %s",
                self.title, self.epoch + 1, self.stage.epochs, batch + 1, self.params["steps"],
                ", ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items()),
            )  # fmt: skip

    def on_test_begin(self, logs=None):
        """Stops the clock of the training steps."""
        self.training_seconds = time.monotonic() - self.started

    def on_epoch_end(self, epoch, logs=None):
        """Does the bookkeeping.

        Raises:
          ValueError: when the loss is no longer a number.
        """
        row = {"epoch": epoch + 1, "seconds": time.monotonic() - self.started}
        row["training_seconds"] = self.training_seconds
        row["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row.update({name: float(logs[name]) for name in ("loss", "accuracy", "val_loss", "val_accuracy")})
        if not math.isfinite(row["loss"]):
            raise ValueError(
                f"{self.title}, epoch {epoch + 1}: the loss is {row['loss']}. Use a smaller learning_rate "
                "for this stage, a warm-up, or training.mixed_precision: none."
            )
        self.state.epochs.append(row)
        self.state.variables = values_of(self.trained)
        if self.stopping is not None:
            self._watch_for_stop(row)
        if self.reducing is not None:
            self._reduce_learning_rate(row)
        self.state.optimizer = values_of(self.model.optimizer)
        save_stage(self.path, self.state)
        self._log(row)

    def _watch_for_stop(self, row):
        if self.stopping.improved(row[self.stopping.monitor]):
            self.state.best = self.state.variables
            self.state.best_epoch = row["epoch"]
        self.state.plateaus["stopping"] = self.stopping.state()
        if self.stopping.is_over:
            self.state.stopped_early = self.model.stop_training = True

    def _reduce_learning_rate(self, row):
        self.reducing.improved(row[self.reducing.monitor])
        if self.reducing.is_over:
            self.model.optimizer.learning_rate = row["learning_rate"] * self.stage.reduce_on_plateau.factor
            self.reducing.waited = 0
        self.state.plateaus["reducing"] = self.reducing.state()

    def _log(self, row):
        logger.info(
            "%s, epoch %d/%d: loss %.3f, accuracy %.1f %%, val_loss %.3f, val_accuracy %.1f %%, %.1f s",
            self.title, row["epoch"], self.stage.epochs, row["loss"], 100 * row["accuracy"], row["val_loss"],
            100 * row["val_accuracy"], row["seconds"],
        )  # fmt: skip
        train = {name: row[name] for name in ("loss", "accuracy", "learning_rate")}
        write_scalars(self.train_writer, row["epoch"], train)
        write_scalars(
            self.eval_writer, row["epoch"], {"loss": row["val_loss"], "accuracy": row["val_accuracy"]}
        )


def plateau(settings, state):
    """Returns the plateau that settings ask for, continued from a state if there is one, or None."""
    if settings is None:
        return None
    if state is not None:
        return Plateau(**state)
    return Plateau(settings.monitor, settings.patience, getattr(settings, "min_delta", 0.0))


def values_of(owner) -> list[np.ndarray]:
    """Returns the values of a model's or optimizer's variables."""
    return [np.asarray(variable) for variable in owner.variables]


def assign(owner, values: list[np.ndarray]) -> None:
    """Sets the variables of a model or optimizer to values that `values_of` returned."""
    for variable, value in zip(owner.variables, values, strict=True):
        variable.assign(value)


def write_scalars(writer: tf.summary.SummaryWriter, epoch: int, scalars: dict[str, float]) -> None:
    """Adds one point to TensorBoard curves, on the disk at once."""
    with writer.as_default(step=epoch):
        for name, value in scalars.items():
            tf.summary.scalar(name, value)
    writer.flush()
