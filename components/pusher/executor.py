"""Pushes the model when both the Evaluator and the InfraCheck bless it; says what it did either way."""

import json
import os
import re
from pathlib import PurePosixPath
from typing import Any

from absl import logging
from tfx import types
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components import data_record, serving_versions
from components.data_record import DataRecord
from components.model_identity import Identity
from components.pusher import history, withdrawals
from components.pusher.history import Version
from components.pusher.push import push
from modules import features
from modules.storage import Location, location

PUSH_FILE = "push.json"


class _Withdrawn(Exception):
    """Why a model must not be pushed any more."""


class Executor(base_executor.BaseExecutor):
    """Writes push.json and sets the properties that TFX's own Pusher sets.

    push.json holds `outcome` ("pushed", "unchanged", "judged", "not_blessed" or "withdrawn"), `version` and
    `path` of the version that serves now (null when none does), `reason`, and `serving_state` after the push
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
        blessing = artifact_utils.get_single_instance(input_dict["blessing"])
        refused_by = who_refuses(blessing, artifact_utils.get_single_instance(input_dict["infra_blessing"]))
        model_dir = path_utils.serving_model_path(artifact_utils.get_single_instance(input_dict["model"]).uri)
        if refused_by:
            result = not_pushed(destination, "not_blessed", f"not blessed by {' and '.join(refused_by)}")
        else:
            record = DataRecord.read(artifact_utils.get_single_uri(input_dict["ingest_report"]))
            identity = Identity.of_model(model_dir, record.fingerprint())
            serving = history.serving(destination)
            if reason := withdrawn(identity, destination, exec_properties["because"]):
                result = not_pushed(destination, "withdrawn", reason)
            elif serving and identity.equals(history.present_identity(serving)):
                reason = f"version {serving.number} is this very model: equal weights, equal code"
                result = not_pushed(destination, "unchanged", reason)
            elif not exec_properties["push"]:
                result = not_pushed(destination, "judged", "blessed, and not pushed because of --no-push")
            else:
                facts = lineage(exec_properties, serving, _read_verdict(blessing))
                records = _records(record, input_dict["statistics"], blessing)

                def last_look():  # somebody may roll back while the model is copied
                    if reason := withdrawn(identity, destination, exec_properties["because"]):
                        raise _Withdrawn(reason)

                try:
                    pushed = push(model_dir, destination, records, facts, identity, last_look)
                except _Withdrawn as error:
                    result = not_pushed(destination, "withdrawn", str(error))
                else:
                    result = {
                        "outcome": "pushed" if pushed.new else "unchanged",
                        "version": pushed.version,
                        "path": str(pushed.path),
                        "reason": "blessed",
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


def withdrawn(candidate: Identity, destination: str, because: str) -> str | None:
    """Returns why a model must not be pushed, when it was rolled back before; None for any other model.

    Args:
      candidate: a model that is blessed.
      destination: folder or address of numbered versions.
      because: why the run was started. Words that begin with the withdrawn version let its model through,
        when newer code has made it: that is how a fix of the code reaches serving.
    """
    found = withdrawals.who_is_back(
        candidate, withdrawals.read(destination).values(), history.read(destination)
    )
    if found is None:
        return None
    number, how = found[0].version, found[1]
    if how == "same":
        way = f"headstart rollback CONFIG --to {number}"
        if number not in serving_versions.versions(destination):
            way = f"remove {location(destination) / withdrawals.FOLDER / f'{number}.json'}, and run again"
        return (
            f"it is version {number} again, which was rolled back (equal weights, or made of the same "
            f"images, settings and code). To let it serve after all: {way}"
        )
    if re.match(rf"version {number}\b", because):
        return None
    return (
        f"it is version {number} again, which was rolled back, by newer code. If that code fixes it, name "
        f'it: headstart run CONFIG --because "version {number}: ..."'
    )


def lineage(exec_properties: dict[str, Any], serving: Version | None, verdict: dict) -> dict:
    """Returns where a version comes from, for its manifest."""
    return {
        **json.loads(exec_properties["origin"]),
        "run_id": exec_properties["run_id"],
        "because": exec_properties["because"],
        "parent": serving and {"version": serving.number, "content_hash": serving.content_hash},
        "accuracy": {**verdict["metrics"]["accuracy"], "n": verdict["images"]},
        "test_set": verdict.get("test_set"),
    }


def _records(
    images: DataRecord, statistics: list[types.Artifact], blessing: types.Artifact
) -> dict[str, bytes]:
    """Returns what later runs find beside the model, by file name."""
    train = stats_artifact_utils.load_statistics(
        artifact_utils.get_single_instance(statistics), features.TRAIN_SPLIT
    )
    return {
        PurePosixPath(serving_versions.TRAINING_STATISTICS).name: train.proto().SerializeToString(),
        PurePosixPath(serving_versions.VERDICT).name: _verdict_file(blessing).read_bytes(),
        data_record.FILE_NAME: images.as_bytes(),
    }


def _read_verdict(blessing: types.Artifact) -> dict:
    return json.loads(_verdict_file(blessing).read_bytes())


def _verdict_file(blessing: types.Artifact) -> Location:
    return location(blessing.uri) / PurePosixPath(serving_versions.VERDICT).name


def not_pushed(destination: str, outcome: str, reason: str) -> dict:
    """Returns the content of push.json for a model that may not serve."""
    version, path = serving_versions.serving(destination)
    return {
        "outcome": outcome,
        "version": version,
        "path": path,
        "reason": reason,
    }
