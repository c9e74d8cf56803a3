"""A run of ExampleValidator and DataCheck as the pipeline does it, beside a version that serves."""

import json

import pytest
import tensorflow_data_validation as tfdv
from tfx.components.example_validator import executor as example_validator
from tfx.types import standard_artifacts

from components import artifacts, serving_versions
from components.data_check import executor as data_check
from components.data_record import DataRecord
from components.errors import RunStopped
from components.report.summary import Summary
from components.schema_gen.inference import infer_schema
from tests import tiny_data
from tests.tiny_report import CONFIG, INGEST, text_of

FIFTY_OF_EACH = ["cat", "dog"] * 50
ORDINARY = tiny_data.statistics(FIFTY_OF_EACH)
NO_IMAGES = DataRecord.of([])
LIMITS = {"max_drift": 0.2, "max_relabelled": 0.05, "max_overlap": 0.2, "accepted_data": None}
CLEAN_INGEST = INGEST | {
    "counts": {"listed": 300, "ingested": 300, "set_aside": 0},
    "splits": {split: {"cat": 50, "dog": 50} for split in ("train", "eval", "test")},
    "set_aside": [],
}


def with_files_set_aside(listed, *set_aside):
    """Returns the report of an ingest that could not use some of the files: (path, reason) each."""
    counts = {"listed": listed, "ingested": listed - len(set_aside), "set_aside": len(set_aside)}
    rows = [{"path": path, "reason": reason} for path, reason in set_aside]
    return CLEAN_INGEST | {"counts": counts, "set_aside": rows}


def check(
    tmp_path,
    train=ORDINARY,
    eval_=ORDINARY,
    test=ORDINARY,
    schema=None,
    ingest=CLEAN_INGEST,
    images=NO_IMAGES,
    limits=None,
    **properties,
):
    """Runs ExampleValidator and DataCheck as the pipeline does; returns the verdict.

    Without a schema, the one that the train split implies is used.
    """
    statistics = tiny_data.statistics_artifact(
        tmp_path / "statistics", {"train": train, "eval": eval_, "test": test}
    )
    schema_artifact = tiny_data.new_artifact(standard_artifacts.Schema, tmp_path / "schema")
    tfdv.write_schema_text(schema or infer_schema(train), f"{schema_artifact.uri}/schema.pbtxt")
    anomalies = tiny_data.new_artifact(standard_artifacts.ExampleAnomalies, tmp_path / "anomalies")
    example_validator.Executor().Do(
        {"statistics": [statistics], "schema": [schema_artifact]}, {"anomalies": [anomalies]}, {}
    )
    report = tiny_data.new_artifact(artifacts.IngestReport, tmp_path / "ingest_report")
    (tmp_path / "ingest_report" / "ingest_report.json").write_text(json.dumps(ingest))
    images.write(report.uri)
    verdict = tiny_data.new_artifact(artifacts.DataVerdict, tmp_path / "data_verdict")
    data_check.Executor().Do(
        {
            "ingest_report": [report],
            "statistics": [statistics],
            "schema": [schema_artifact],
            "anomalies": [anomalies],
        },
        {"data_verdict": [verdict]},
        {
            "max_rejected_share": 0.01,
            "on_anomaly": "stop",
            "limits": json.dumps(LIMITS | (limits or {})),
            "name": "pets",
            "push_destination": str(tmp_path / "serving"),
            "config": json.dumps(CONFIG | {"name": "pets"}),
            "code_hash": "c0de",
            "output": str(tmp_path / "output"),
            "run_id": "20300102-030400",
            **properties,
        },
    )
    return json.loads((tmp_path / "data_verdict" / "verdict.json").read_text())


def refused(tmp_path, **arguments) -> list[str]:
    """Returns "feature: reason" of each finding of a check that must stop the run."""
    with pytest.raises(RunStopped) as stopped:
        check(tmp_path, **arguments)
    summary = published(tmp_path)
    assert summary.outcome == "data_refused"
    found = [f"{row['feature']}: {row['reason']}" for row in summary.findings]
    assert all(finding in str(stopped.value) for finding in found)
    return found


def published(tmp_path) -> Summary:
    """Returns the summary that the step published, which is the same in both places."""
    newest = (tmp_path / "output/summary.json").read_bytes()
    assert (tmp_path / "output/reports/20300102-030400/summary.json").read_bytes() == newest
    return Summary.from_json(newest)


def page(tmp_path) -> str:
    """Returns the text of the page that the step published."""
    return text_of((tmp_path / "output/report.html").read_text(encoding="utf-8"))


def serve(tmp_path, statistics, version=3):
    """Puts a model version in place that was trained on data of these statistics."""
    recorded = tmp_path / "serving" / str(version) / serving_versions.TRAINING_STATISTICS
    recorded.parent.mkdir(parents=True)
    recorded.write_bytes(statistics.SerializeToString())
    (tmp_path / "serving" / str(version) / "saved_model.pb").write_bytes(b"a model")
    NO_IMAGES.write(recorded.parent)
