"""The folder that an interrupted training continues from, named after everything that decides its result."""

import hashlib
import json
import logging
import os
import shutil
import time

import keras
import tensorflow as tf

KEY_LENGTH = 16
EXPORTED = "exported"  # file in the folder of a training whose model was written
KEEP_INTERRUPTED_DAYS = 14

logger = logging.getLogger("headstart.training")


def training_key(custom_config: dict, files: list[str]) -> str:
    """Returns a short hash of settings, data, code and versions: equal keys mean equal results.

    Args:
      custom_config: plain settings; those that only say where things are written do not count.
      files: whose content counts, in a fixed order; their paths do not.
    """
    settings = {k: v for k, v in custom_config.items() if k not in ("training_dir", "tensorboard_dir")}
    versions = [tf.__version__, keras.__version__]
    digest = hashlib.sha256(json.dumps([settings, versions], sort_keys=True).encode())
    for path in files:
        digest.update(file_digest(path))
    return digest.hexdigest()[:KEY_LENGTH]


def file_digest(path: str) -> bytes:
    """Returns the SHA-256 of a file's content, read piece by piece."""
    digest = hashlib.sha256()
    with tf.io.gfile.GFile(path, "rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.digest()


def mark_exported(state_dir: str) -> None:
    """Notes that the model of a training was written.

    The final weights stay until the next training: should the step be killed before its output is
    published, the next run exports them again without training.
    """
    os.makedirs(state_dir, exist_ok=True)
    with open(os.path.join(state_dir, EXPORTED), "w"):
        pass


def remove_old_states(training_dir: str, keep_key: str) -> None:
    """Removes the folders of other trainings that are exported, or that nobody continued for two weeks."""
    if not os.path.isdir(training_dir):
        return
    oldest = time.time() - KEEP_INTERRUPTED_DAYS * 24 * 3600
    for entry in os.scandir(training_dir):
        if not entry.is_dir() or entry.name == keep_key:
            continue
        exported = os.path.exists(os.path.join(entry.path, EXPORTED))
        if exported or entry.stat().st_mtime < oldest:
            logger.info("Removing the state of an earlier training: %s", entry.path)
            shutil.rmtree(entry.path, ignore_errors=True)
