"""Local folders for what training writes beside its artifacts, whatever the run's output is.

State and TensorBoard's events are written epoch by epoch, which an object store cannot take: its
objects cannot be appended to.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from datetime import datetime, timezone

from modules.storage import is_remote, temporary_folder, upload_tree

logger = logging.getLogger("headstart.training")


def state_folder(training_dir: str | None) -> str:
    """Returns where the state of trainings is kept: a temporary folder when there is no local one.

    Args:
      training_dir: a local folder, an address, or None.
    """
    if training_dir and not is_remote(training_dir):
        return training_dir
    logger.info("The state of this training lies on this machine only: if it is stopped, it starts over")
    return str(temporary_folder())


@contextlib.contextmanager
def log_folder(tensorboard_dir: str) -> Iterator[str]:
    """Yields a local folder for TensorBoard's events; at an address they arrive when the block ends.

    They arrive after an error as well, which they may help to explain. When they cannot be uploaded,
    that is logged: a trained model is worth more than its curves.

    Args:
      tensorboard_dir: a local folder, or an address.
    """
    if not is_remote(tensorboard_dir):
        yield tensorboard_dir
        return
    folder = temporary_folder()
    try:
        yield str(folder)
    finally:
        try:
            upload_tree(folder, tensorboard_dir)
        except OSError as error:
            logger.warning("TensorBoard's events were not uploaded: %s", error)


def curves_folder(tensorboard_dir: str, key: str, state_dir: str) -> str:
    """Returns TensorBoard's folder of a training: YYYYMMDD-HHMMSS-KEY, by the time (UTC) at which it began.

    A training that goes on after an interruption goes on in the folder where it began, also in one of
    before, which was named after the key alone.

    Args:
      tensorboard_dir: local folder of all trainings' curves.
      key: of the training, see `modules.training_state.training_key`.
      state_dir: of the training; it exists when the training began before. What is written to an address has
        its state on this machine only, so it never goes on.
    """
    if os.path.isdir(state_dir) and os.path.isdir(tensorboard_dir):
        begun = [name for name in os.listdir(tensorboard_dir) if name == key or name.endswith(f"-{key}")]
        if begun:
            return os.path.join(tensorboard_dir, max(begun, key=lambda name: (name != key, name)))
    return os.path.join(tensorboard_dir, f"{datetime.now(timezone.utc):%Y%m%d-%H%M%S}-{key}")
