"""Artifact types that TFX has no standard type for; each says which files lie under its URI.

Kubeflow Pipelines wants a namespace in the name of a type that is not its own.
"""

from tfx.types import artifact


class IngestReport(artifact.Artifact):
    """What ingest found: ingest_report.json (see components/image_example_gen/report.py)."""

    TYPE_NAME = "headstart.IngestReport"


class DataVerdict(artifact.Artifact):
    """Whether the data may be trained on: verdict.json with `ok` and `findings`."""

    TYPE_NAME = "headstart.DataVerdict"


class BaselineModel(artifact.Artifact):
    """The model that serves now: baseline.json, and Format-Serving/ when there is a comparable one."""

    TYPE_NAME = "headstart.BaselineModel"


class Predictions(artifact.Artifact):
    """One row a test image with both models' probabilities: predictions.npz."""

    TYPE_NAME = "headstart.Predictions"


class Report(artifact.Artifact):
    """The page that a person reads: report.html and summary.json."""

    TYPE_NAME = "headstart.Report"
