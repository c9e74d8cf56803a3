"""Artifact types that TFX has no standard type for; each says which files lie under its URI.

In a container, TFX finds the class of an artifact by importing the name of its type. Kubeflow Pipelines
allows one dot in such a name, so the classes can be had from the package itself: see components/__init__.py.
"""

from tfx.types import artifact


class IngestReport(artifact.Artifact):
    """What ingest found: ingest_report.json (see components/image_example_gen/report.py).

    Beside it images.npz (components/data_record.py) and source_index.npz (components/source_index.py).
    """

    TYPE_NAME = "components.IngestReport"


class DataVerdict(artifact.Artifact):
    """Whether the data may be trained on: verdict.json with `ok` and `findings`."""

    TYPE_NAME = "components.DataVerdict"


class BaselineModel(artifact.Artifact):
    """The version to compare the candidate with: baseline.json, and Format-Serving/ when there is one."""

    TYPE_NAME = "components.BaselineModel"


class Predictions(artifact.Artifact):
    """One row a test image with both models' probabilities: predictions.npz."""

    TYPE_NAME = "components.Predictions"


class Report(artifact.Artifact):
    """The page that a person reads: report.html and summary.json."""

    TYPE_NAME = "components.Report"
