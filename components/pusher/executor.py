"""Pushes the model when both the Evaluator and the InfraCheck bless it; says what it did either way."""

import json
import os
from typing import Any

from absl import logging
from tfx import types
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components import serving_versions
from components.pusher import history
from components.pusher.push import push
from modules import features

PUSH_FILE = "push.json"


class Executor(base_executor.BaseExecutor):
    """Writes push.json and sets the properties that TFX's own Pusher sets.

    push.json holds `outcome` ("pushed", "unchanged", "not_blessed" or "withdrawn"), `version` and `path`
    of the version that serves now (null when none does), `reason`, and `serving_state` after the push
    (see serving_versions.state). The model itself is not copied into the artifact: it lies in the
    destination.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        destination = exec_properties["push_destination"]
        refused_by = who_refuses(
            artifact_utils.get_single_instance(input_dict["blessing"]),
            artifact_utils.get_single_instance(input_dict["infra_blessing"]),
        )
        model_dir = path_utils.serving_model_path(artifact_utils.get_single_instance(input_dict["model"]).uri)
        if refused_by:
            result = not_pushed(destination, "not_blessed", f"not blessed by {' and '.join(refused_by)}")
        elif (rolled_back := withdrawn_version(model_dir, destination)) is not None:
            reason = (
                f"it is, byte for byte, version {rolled_back}, which was rolled back. To let it serve after "
                f"all: headstart rollback CONFIG --to {rolled_back}"
            )
            result = not_pushed(destination, "withdrawn", reason)
        else:
            statistics = artifact_utils.get_single_instance(input_dict["statistics"])
            train = stats_artifact_utils.load_statistics(statistics, features.TRAIN_SPLIT).proto()
            pushed = push(model_dir, destination, train.SerializeToString())
            result = {
                "outcome": "pushed" if pushed.new else "unchanged",
                "version": pushed.version,
                "path": str(pushed.path),
                "reason": "blessed"
                if pushed.new
                else f"version {pushed.version} is this very model, byte for byte",
            }
        result["serving_state"] = serving_versions.state(destination)
        logging.info("Push to %s: %s", destination, result)
        artifact = artifact_utils.get_single_instance(output_dict["pushed_model"])
        io_utils.write_string_file(os.path.join(artifact.uri, PUSH_FILE), json.dumps(result, indent=2))
        artifact.set_int_custom_property("pushed", int(result["outcome"] == "pushed"))
        if result["outcome"] == "pushed":
            artifact.set_string_custom_property("pushed_destination", result["path"])
            artifact.set_string_custom_property("pushed_version", str(result["version"]))


def who_refuses(blessing: types.Artifact, infra_blessing: types.Artifact) -> list[str]:
    """Returns the steps that did not bless the model."""
    refused_by = []
    if not model_utils.is_model_blessed(blessing):
        refused_by.append("Evaluator")
    if not model_utils.is_infra_validated(infra_blessing):
        refused_by.append("InfraCheck")
    return refused_by


def withdrawn_version(model_dir: str, destination: str) -> int | None:
    """Returns the version as which a model was pushed and rolled back; None for any other model.

    A later run with the same images and settings finds the same model in its cache.
    """
    withdrawn = history.withdrawn(history.read(destination))
    return withdrawn.get(serving_versions.content_hash(model_dir)) if withdrawn else None


def not_pushed(destination: str, outcome: str, reason: str) -> dict:
    """Returns the content of push.json for a model that may not serve."""
    version = serving_versions.serving_version(destination)
    return {
        "outcome": outcome,
        "version": version,
        "path": None if version is None else str(serving_versions.versions(destination)[version]),
        "reason": reason,
    }
