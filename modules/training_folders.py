"""Local folders for what training writes beside its artifacts, whatever the run's output is.

State and TensorBoard's events are written epoch by epoch, which an object store cannot take: its
objects cannot be appended to.
"""

import contextlib
import logging
from collections.abc import Iterator

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
