"""The Pusher as the pipeline runs it, on a model of a few bytes."""

import json
import os
from pathlib import Path

from tfx.types import standard_artifacts

from components import artifacts
from components.data_record import DataRecord
from components.pusher import executor as pusher
from tests import tiny_data

STATISTICS = tiny_data.statistics(["cat", "dog"])
VERDICT = {"metrics": {"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95}}, "images": 40}
IMAGES = DataRecord.of([("a" * 64, "cat", "train"), ("b" * 64, "dog", "test")])
ORIGIN = {"name": "pets", "config": "c1", "code": "s1", "started_by": "headstart run"}


def write_model(folder: Path, content: bytes = b"graph", files: int = 2) -> Path:
    """Writes the files of a model; a push reads none of them."""
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(content)
    (folder / "fingerprint.pb").write_bytes(os.urandom(8))
    for number in range(files):
        (folder / "variables" / f"variables.data-{number:05}").write_bytes(bytes([number % 251]) * 4096)
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "headstart.json").write_text('{"labels": ["cat", "dog"]}')
    return folder


def run_step(tmp_path, destination, blessed=1, infra_blessed=1, images=IMAGES, **changes):
    """Runs the Pusher as the pipeline does; returns its artifact and its push.json.

    Of the changes, `content` and `facts` are the model's, the others are properties of the step.
    """
    folder = tmp_path / f"run {len(list(tmp_path.iterdir()))}"
    model = tiny_data.new_artifact(standard_artifacts.Model, folder / "model")
    model_dir = write_model(folder / "model" / "Format-Serving", changes.pop("content", b"graph"))
    facts = {"labels": ["cat", "dog"]} | changes.pop("facts", {})
    (model_dir / "assets.extra" / "headstart.json").write_text(json.dumps(facts))
    ingest_report = tiny_data.new_artifact(artifacts.IngestReport, folder / "ingest_report")
    images.write(ingest_report.uri)
    blessing = tiny_data.new_artifact(standard_artifacts.ModelBlessing, folder / "blessing")
    blessing.set_int_custom_property("blessed", blessed)
    Path(blessing.uri, "verdict.json").write_text(json.dumps(VERDICT))
    infra_blessing = tiny_data.new_artifact(standard_artifacts.InfraBlessing, folder / "infra_blessing")
    infra_blessing.set_int_custom_property("blessed", infra_blessed)
    pushed = tiny_data.new_artifact(standard_artifacts.PushedModel, folder / "pushed_model")
    pusher.Executor().Do(
        {
            "model": [model],
            "blessing": [blessing],
            "infra_blessing": [infra_blessing],
            "statistics": [tiny_data.statistics_artifact(folder / "statistics", {"train": STATISTICS})],
            "ingest_report": [ingest_report],
        },
        {"pushed_model": [pushed]},
        {
            "push_destination": str(destination),
            "push": 1,
            "because": "",
            "origin": json.dumps(ORIGIN),
            "run_id": "run-1",
        }
        | changes,
    )
    return pushed, json.loads((folder / "pushed_model" / "push.json").read_text())
