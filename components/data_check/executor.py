"""Collects the findings of all checks, writes the verdict, and stops the run when it has to."""

import dataclasses
import json
import os
from typing import Any

from absl import logging
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx import types
from tfx.components.example_validator.executor import DEFAULT_FILE_NAME as ANOMALIES_FILE
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.data_check import classes, ingest, numbers, records
from components.data_check.anomalies import schema_violations
from components.data_check.earlier_version import find_earlier_version
from components.data_check.findings import FATAL, NOTICE, Finding, advice, refusal, verdict
from components.data_check.refused_report import publish_refusal
from components.data_record import DataRecord
from components.errors import RunStopped
from components.pusher import history
from components.report.publish import PAGE, publish_index
from components.schema_gen.schema_file import schema_classes
from components.schema_gen.statistics import class_counts
from modules import features
from modules.storage import location

VERDICT_FILE = "verdict.json"


@dataclasses.dataclass(frozen=True)
class Limits:
    """How far data may be from that of an earlier version: see pipeline.config.Validation."""

    max_drift: float
    max_relabelled: float
    max_overlap: float
    accepted_data: str | None


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
        destination = exec_properties["push_destination"]
        findings = another_pipeline(destination, exec_properties["name"])
        ingest_report = read_ingest_report(input_dict["ingest_report"])
        findings += ingest.files_set_aside(ingest_report, exec_properties["max_rejected_share"])
        statistics_artifact = artifact_utils.get_single_instance(input_dict["statistics"])
        statistics = {
            split: stats_artifact_utils.load_statistics(statistics_artifact, split).proto()
            for split in features.SPLITS
        }
        schema_dir = artifact_utils.get_single_uri(input_dict["schema"])
        schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema_dir))
        findings += findings_in_splits(statistics, schema, read_anomalies(input_dict["anomalies"]))
        ingest_folder = artifact_utils.get_single_uri(input_dict["ingest_report"])
        publish_index(ingest_folder, exec_properties["output"])
        images = DataRecord.read(ingest_folder)
        limits = Limits(**json.loads(exec_properties["limits"]))
        findings += findings_since(statistics[features.TRAIN_SPLIT], images, destination, limits)
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


def findings_since(
    train: statistics_pb2.DatasetFeatureStatisticsList, images: DataRecord, destination: str, limits: Limits
) -> list[Finding]:
    """Returns what changed since the newest version that says what it was trained on.

    Args:
      train: statistics of the train split.
      images: of all splits.
      destination: folder or address of numbered versions.
      limits: of what may change.
    """
    earlier, passed_over = find_earlier_version(destination)
    if earlier is None:
        nothing = "no change since an earlier version was looked for"
        return [Finding("data", f"{nothing}: {'; '.join(passed_over)}", NOTICE)] if passed_over else []
    findings, renamed = [], {}
    if passed_over:
        said = f"the data is compared with that of version {earlier.number}: {'; '.join(passed_over)}"
        findings.append(Finding("data", said, NOTICE))
    if earlier.remark:
        findings.append(Finding("data", earlier.remark, NOTICE))
    if earlier.images:
        renamed = records.renamed_classes(images, earlier.images)
        findings += records.relabelled(
            images, earlier.images, limits.max_relabelled, limits.accepted_data, earlier.number
        )
        findings += records.overlap(images, earlier.images, limits.max_overlap, earlier.number)
    counts_now, counts_before = class_counts(train), class_counts(earlier.statistics)
    if not counts_now or not counts_before:
        return findings
    findings += classes.class_changes(counts_now, counts_before, earlier.number, renamed)
    if min(sum(counts_now.values()), sum(counts_before.values())) >= numbers.MIN_IMAGES:
        counts_before = {renamed.get(name, name): count for name, count in counts_before.items()}
        findings += classes.class_share_drift(counts_now, counts_before, limits.max_drift, earlier.number)
    return findings + numbers.number_drift(train, earlier.statistics, limits.max_drift, earlier.number)


def another_pipeline(destination: str, name: str) -> list[Finding]:
    """Returns a fatal finding when models of another pipeline are pushed to the same destination."""
    reason = history.another_pipeline(destination, name)
    return [Finding("data", reason, FATAL)] if reason else []


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
