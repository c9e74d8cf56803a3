"""Copies the model to compare with out of the push destination, so that it is an artifact like any other."""

from typing import Any

from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.baseline.choice import choose_baseline
from modules.storage import make_folder, upload_tree


class Executor(base_executor.BaseExecutor):
    """Writes baseline.json (see chosen.py), and Format-Serving/ when there is a version."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        candidate_dir = path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict["model"]))
        destination = exec_properties["push_destination"]
        chosen, folder = choose_baseline(candidate_dir, destination)
        logging.info("Baseline model: version %s: %s", chosen.version, chosen.reason)
        baseline_dir = artifact_utils.get_single_uri(output_dict["baseline_model"])
        if folder is not None:
            upload_tree(folder, path_utils.serving_model_dir(baseline_dir))
        make_folder(baseline_dir)
        chosen.write(baseline_dir)
