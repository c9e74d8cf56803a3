"""Artifact types that TFX has no standard type for; each says which files lie under its URI.

The name of a type is the path of its class: TFX imports it by that name when a step runs in a container.
"""

from tfx.types import artifact


class IngestReport(artifact.Artifact):
    """What ingest found: ingest_report.json (see components/image_example_gen/report.py)."""

    TYPE_NAME = "components.artifacts.IngestReport"


class DataVerdict(artifact.Artifact):
    """Whether the data may be trained on: verdict.json with `ok` and `findings`."""

    TYPE_NAME = "components.artifacts.DataVerdict"


class BaselineModel(artifact.Artifact):
    """The model that serves now: baseline.json, and Format-Serving/ when there is a comparable one."""

    TYPE_NAME = "components.artifacts.BaselineModel"


class Predictions(artifact.Artifact):
    """One row a test image with both models' probabilities: predictions.npz."""

    TYPE_NAME = "components.artifacts.Predictions"


class Report(artifact.Artifact):
    """The page that a person reads: report.html and summary.json."""

    TYPE_NAME = "components.artifacts.Report"
