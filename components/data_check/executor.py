"""Collects the findings of all checks, writes the verdict, and stops the run when it has to."""

import json
import os
from typing import Any

from absl import logging
from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx import types
from tfx.components.example_validator.executor import DEFAULT_FILE_NAME as ANOMALIES_FILE
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components import serving_versions
from components.data_check import classes, ingest, numbers
from components.data_check.anomalies import schema_violations
from components.data_check.findings import NOTICE, Finding, advice, refusal, verdict
from components.data_check.refused_report import publish_refusal
from components.errors import RunStopped
from components.report.publish import PAGE
from components.schema_gen.schema_file import schema_classes
from components.schema_gen.statistics import class_counts
from modules import features
from modules.storage import StorageError, explained, location

VERDICT_FILE = "verdict.json"


class Executor(base_executor.BaseExecutor):
    """Reads ingest report, statistics, schema and anomalies; writes verdict.json.

    Raises:
      RunStopped: when the data must not be trained on; a report that says why is published before.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        ingest_report = read_ingest_report(input_dict["ingest_report"])
        findings = ingest.files_set_aside(ingest_report, exec_properties["max_rejected_share"])
        statistics_artifact = artifact_utils.get_single_instance(input_dict["statistics"])
        statistics = {
            split: stats_artifact_utils.load_statistics(statistics_artifact, split).proto()
            for split in features.SPLITS
        }
        schema_dir = artifact_utils.get_single_uri(input_dict["schema"])
        schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema_dir))
        findings += findings_in_splits(statistics, schema, read_anomalies(input_dict["anomalies"]))
        findings += findings_since_serving(
            statistics[features.TRAIN_SPLIT],
            exec_properties["push_destination"],
            exec_properties["max_drift"],
        )
        decided = verdict(findings, exec_properties["on_anomaly"])
        verdict_file = os.path.join(artifact_utils.get_single_uri(output_dict["data_verdict"]), VERDICT_FILE)
        io_utils.write_string_file(verdict_file, json.dumps(decided, indent=2, ensure_ascii=False))
        for row in decided["findings"]:
            logging.warning("Data check: %s: %s: %s", row["severity"], row["feature"], row["reason"])
        if not decided["ok"]:
            what_to_do = advice(findings)
            publish_refusal(decided["findings"], what_to_do, ingest_report, statistics, exec_properties)
            report = f"Report  {exec_properties['output'].rstrip('/')}/{PAGE}"
            raise RunStopped(f"{refusal(decided['findings'], what_to_do)}\n{report}")


def findings_in_splits(
    statistics: dict[str, statistics_pb2.DatasetFeatureStatisticsList],
    schema: schema_pb2.Schema,
    anomalies: dict[str, anomalies_pb2.Anomalies],
) -> list[Finding]:
    """Returns what is wrong with the splits in themselves, by the schema."""
    counts = {split: class_counts(statistics[split]) for split in features.SPLITS}
    empty = classes.empty_splits(counts)
    if empty:
        return empty  # every feature would be reported as dropped as well
    allowed = schema_classes(schema)
    findings = classes.unknown_classes(counts, allowed)
    findings += classes.classes_without_images(counts, allowed)
    findings += schema_violations(anomalies)
    for split in features.SPLITS:
        findings += numbers.medians_outside_limits(statistics[split], schema, split)
    return findings


def findings_since_serving(
    train: statistics_pb2.DatasetFeatureStatisticsList, push_destination: str, max_drift: float
) -> list[Finding]:
    """Returns what changed since the serving model was trained; nothing when its data is not known."""
    version = serving_versions.serving_version(push_destination)
    if version is None:
        return []
    recorded = serving_versions.versions(push_destination)[version] / serving_versions.TRAINING_STATISTICS
    try:
        with explained(recorded):
            before = statistics_pb2.DatasetFeatureStatisticsList.FromString(recorded.read_bytes())
    except FileNotFoundError:
        logging.info("Version %d says nothing about its data, there is no %s", version, recorded)
        return []
    except StorageError:
        raise
    except (OSError, DecodeError) as error:
        reason = (
            f"{recorded} cannot be read ({error}), so that no change since version {version} was looked for"
        )
        return [Finding("data", reason, NOTICE)]
    counts_now, counts_before = class_counts(train), class_counts(before)
    if not counts_now or not counts_before:
        return []
    findings = classes.class_changes(counts_now, counts_before, version)
    if min(sum(counts_now.values()), sum(counts_before.values())) >= numbers.MIN_IMAGES:
        findings += classes.class_share_drift(counts_now, counts_before, max_drift, version)
    return findings + numbers.number_drift(train, before, max_drift, version)


def read_ingest_report(artifacts: list[types.Artifact]) -> dict:
    """Returns the content of the artifact's ingest_report.json."""
    path = os.path.join(artifact_utils.get_single_uri(artifacts), "ingest_report.json")
    return json.loads(location(path).read_text(encoding="utf-8"))


def read_anomalies(artifacts: list[types.Artifact]) -> dict[str, anomalies_pb2.Anomalies]:
    """Returns what ExampleValidator wrote, by split."""
    anomalies = {}
    for split in artifact_utils.get_single_instance(artifacts).splits:
        path = os.path.join(artifact_utils.get_split_uri(artifacts, split), ANOMALIES_FILE)
        anomalies[split] = anomalies_pb2.Anomalies.FromString(io_utils.read_bytes_file(path))
    return anomalies
