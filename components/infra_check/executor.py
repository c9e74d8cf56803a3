"""Lets the exported model answer images of the test split, and blesses it or says why not."""

import io
import itertools
import json
import os
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.infra_check.budgets import Budgets, Reference, failed, judge
from components.infra_check.runner import ProbeFailed, run_probe
from modules import features
from modules.storage import files_below, local_copy, location

VERDICT_FILE = "verdict.json"
REFERENCE_FILE = "reference_outputs.npz"  # written by the Trainer beside its history

# As TFX's InfraValidator marks a model, see tfx/components/infra_validator/executor.py.
_BLESSED_FILE, _NOT_BLESSED_FILE, _BLESSED_PROPERTY = "INFRA_BLESSED", "INFRA_NOT_BLESSED", "blessed"


class Executor(base_executor.BaseExecutor):
    """Writes verdict.json, and the blessing as TFX's InfraValidator does. A bad model is no error."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        budgets = Budgets(**json.loads(exec_properties["infra_check"]))
        model_dir = path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict["model"]))
        test_dir = artifact_utils.get_split_uri(input_dict["examples"], features.TEST_SPLIT)
        images, content_hashes = read_images(test_dir, budgets.images)
        reference = read_reference(artifact_utils.get_single_uri(input_dict["model_run"]))
        try:
            answers = run_probe(local_copy(model_dir), images, budgets.timeout_seconds)
            verdict = judge(answers, content_hashes, reference, budgets)
        except ProbeFailed as failure:
            verdict = failed(str(failure), budgets)
        logging.info("Infra check: %s", verdict)
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        io_utils.write_string_file(os.path.join(blessing.uri, VERDICT_FILE), json.dumps(verdict, indent=2))
        mark = _BLESSED_FILE if verdict["ok"] else _NOT_BLESSED_FILE
        io_utils.write_string_file(os.path.join(blessing.uri, mark), "")
        blessing.set_int_custom_property(_BLESSED_PROPERTY, int(verdict["ok"]))


def read_images(split_dir: str, count: int) -> tuple[list[bytes], list[str]]:
    """Returns the first images of a split in file order, encoded, and their content hashes.

    Raises:
      ValueError: when the split is empty.
    """
    files = [str(file) for name, file in files_below(split_dir).items() if "/" not in name]
    images, content_hashes = [], []
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator()
    for record in itertools.islice(records, count):
        example = tf.train.Example.FromString(record).features.feature
        images.append(example[features.IMAGE_BYTES].bytes_list.value[0])
        content_hashes.append(example[features.CONTENT_HASH].bytes_list.value[0].decode())
    if not images:
        raise ValueError(f"no image in {split_dir}: the exported model cannot be tried")
    return images, content_hashes


def read_reference(model_run_dir: str) -> Reference:
    """Returns the outputs that the Trainer recorded.

    Raises:
      FileNotFoundError: when the Trainer recorded none.
    """
    path = location(model_run_dir) / REFERENCE_FILE
    if not path.is_file():
        raise FileNotFoundError(f"no {path}: the Trainer writes it when it exports a model")
    with np.load(io.BytesIO(path.read_bytes())) as outputs:
        by_hash = zip(outputs["content_hash"].tolist(), outputs["probabilities"], strict=True)
        return Reference(labels=outputs["labels"].tolist(), probabilities=dict(by_hash))
