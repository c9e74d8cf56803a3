"""What ExampleValidator found, as findings."""

from collections.abc import Mapping

from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.data_check.findings import Finding
from modules import features


def schema_violations(anomalies: Mapping[str, anomalies_pb2.Anomalies]) -> list[Finding]:
    """Returns a finding for each reason of each feature that violates the schema.

    Unknown classes are left to `classes.unknown_classes`, which can say how many images they have.

    Args:
      anomalies: what ExampleValidator wrote, by split.
    """
    findings = []
    for split, found in anomalies.items():
        for feature, info in sorted(found.anomaly_info.items()):
            findings += [
                Finding(feature, f"{split} split: {_sentence(reason)}")
                for reason in info.reason
                if not _is_unknown_class(feature, reason)
            ]
        findings += [
            Finding("data", f"{split} split: {_sentence(reason)}")
            for reason in found.dataset_anomaly_info.reason
        ]
    return findings


def _is_unknown_class(feature: str, reason: anomalies_pb2.AnomalyInfo.Reason) -> bool:
    unexpected = anomalies_pb2.AnomalyInfo.ENUM_TYPE_UNEXPECTED_STRING_VALUES
    return feature == features.LABEL and reason.type == unexpected


def _sentence(reason: anomalies_pb2.AnomalyInfo.Reason) -> str:
    short, description = reason.short_description.strip(), reason.description.strip().rstrip(".")
    return f"{short[:1].lower()}{short[1:]}: {description}"
