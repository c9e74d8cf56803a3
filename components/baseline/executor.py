"""Copies the model that serves now out of the push destination, so that it is an artifact like any other."""

import json
import os
from typing import Any

from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.baseline.choice import choose_baseline
from modules.storage import upload_tree

BASELINE_FILE = "baseline.json"


class Executor(base_executor.BaseExecutor):
    """Writes baseline.json with `version` and `reason`, and Format-Serving/ when there is a version."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        candidate_dir = path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict["model"]))
        destination = exec_properties["push_destination"]
        version, reason, folder = choose_baseline(candidate_dir, destination)
        logging.info("Baseline model: version %s: %s", version, reason)
        baseline_dir = artifact_utils.get_single_uri(output_dict["baseline_model"])
        if folder is not None:
            upload_tree(folder, path_utils.serving_model_dir(baseline_dir))
        baseline = json.dumps({"version": version, "reason": reason}, indent=2, ensure_ascii=False)
        io_utils.write_string_file(os.path.join(baseline_dir, BASELINE_FILE), baseline)
