"""Steps read and write addresses as they do local paths: what a person named, and their own artifacts.

What TFX, TensorFlow and TFMA read and write themselves (TFRecords, models, statistics) is theirs: they
know gs://, and an s3:// artifact reaches a step as a local path.
"""

import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tfx.types import standard_artifacts

from components import artifacts
from components.baseline.chosen import Chosen
from components.errors import RunStopped
from components.evaluator import executor as evaluator
from components.evaluator import judgement, predictions
from components.infra_check import executor as infra_check
from components.pusher.push import push
from components.report.summary import Summary
from components.schema_gen.inference import infer_schema
from components.schema_gen.schema_file import check_schema_file
from modules.storage import StorageError, files_below, location, upload_tree
from tests import checked_data, test_schema, tiny_data, tiny_models


@pytest.fixture(params=["local folder", "object store"])
def place(request, tmp_path):
    """A folder, or the address of one."""
    if request.param == "local folder":
        folder = tmp_path / "place"
        folder.mkdir()
        return str(folder)
    return f"{request.getfixturevalue('s3_bucket')}/place"


def test_data_are_compared_with_those_of_the_model_that_serves_and_a_refusal_is_published(tmp_path, place):
    model = tiny_models.save_model(tmp_path / "model")
    push(
        model,
        f"{place}/serving",
        {
            "training_statistics.pb": tiny_data.statistics(["cat", "fox"]).SerializeToString(),
            "images.npz": checked_data.NO_IMAGES.as_bytes(),
        },
    )
    remote = {"push_destination": f"{place}/serving", "output": f"{place}/out"}

    with pytest.raises(RunStopped, match=rf"class 'fox'[\s\S]*{place}/out/report\.html"):
        checked_data.check(tmp_path, **remote)

    summary = Summary.from_json((location(place) / "out" / "summary.json").read_bytes())
    assert summary.outcome == "data_refused"
    assert (summary.serving_version, summary.serving_path) == (1, f"{place}/serving/1")
    assert [row["reason"] for row in summary.findings] == [
        "new class 'dog': 50 images now, none in the data of version 1",
        "missing class 'fox': no image now, 1 in the data of version 1",
    ]
    push(tiny_models.save_model(tmp_path / "next", weight=0.6), f"{place}/serving")
    with pytest.raises(RunStopped, match="that of version 1: version 2 says nothing about its data"):
        checked_data.check(tmp_path / "again", **remote)


def test_a_schema_is_read_from_where_it_is_kept(tmp_path, place):
    schema = infer_schema(tiny_data.statistics(["cat", "dog", "emu"]))
    (location(place) / "schema.pbtxt").write_bytes(test_schema.kept(tmp_path, schema).read_bytes())
    artifact = tiny_data.new_artifact(standard_artifacts.Schema, tmp_path / "out")

    test_schema.schema_gen.Executor().Do({}, {"schema": [artifact]}, {"schema_file": f"{place}/schema.pbtxt"})

    assert tfdv.load_schema_text(f"{artifact.uri}/schema.pbtxt") == schema
    with pytest.raises(FileNotFoundError, match=rf"validation\.schema: no file {place}/absent\.pbtxt"):
        check_schema_file(f"{place}/absent.pbtxt")


def test_a_schema_in_a_bucket_that_is_not_there_is_named(s3_bucket):
    with pytest.raises(StorageError, match="there is no bucket 'no-such-bucket'"):
        check_schema_file("s3://no-such-bucket/schema.pbtxt")


def test_the_infra_check_reads_the_trainers_outputs_and_the_model_from_an_artifact(
    tmp_path, place, monkeypatch
):
    hashes = ["a", "b"]
    tiny_models.write_reference_outputs(tmp_path, hashes, np.array([0, 255]))
    content = (tmp_path / "reference_outputs.npz").read_bytes()
    (location(place) / "run" / "reference_outputs.npz").parent.mkdir(parents=True, exist_ok=True)
    (location(place) / "run" / "reference_outputs.npz").write_bytes(content)

    reference = infra_check.read_reference(f"{place}/run")

    assert reference.labels == list(tiny_models.LABELS)
    assert {name: row.tolist() for name, row in reference.probabilities.items()} == {
        "a": [1.0, 0.0],
        "b": [0.0, 1.0],
    }
    with pytest.raises(FileNotFoundError, match=r"reference_outputs\.npz: the Trainer writes it"):
        infra_check.read_reference(f"{place}/empty")


def test_test_images_are_the_files_of_the_split_in_order_for_tensorflow_to_read(place, monkeypatch):
    split = location(place) / "Split-test"
    for name in ("b.gz", "a.gz", "temporary/c.gz"):
        (split / name).parent.mkdir(parents=True, exist_ok=True)
        (split / name).write_bytes(b"")
    asked = []

    def no_records(files, compression_type):
        asked.extend(files)
        return tf.data.Dataset.from_tensor_slices(tf.constant([], tf.string))

    monkeypatch.setattr(tf.data, "TFRecordDataset", no_records)
    with pytest.raises(ValueError, match=rf"no image in {place}/Split-test"):
        infra_check.read_images(f"{place}/Split-test", 3)
    assert asked == [f"{place}/Split-test/a.gz", f"{place}/Split-test/b.gz"]


def test_predictions_come_back_as_they_were_written(place):
    rows = [
        {
            "content_hash": name,
            "source_path": f"{name}.png",
            "label": "cät",
            "candidate_classes": ["cät", "dog"],
            "candidate": [0.25, 0.75],
            "slices": {"width": "8"},
        }
        for name in ("b", "a")
    ]
    predictions.write(predictions.from_rows(rows), place)
    read = predictions.read(place)
    assert read.source_path.tolist() == ["a.png", "b.png"]
    assert read.classes.tolist() == ["cät", "dog"]
    assert read.candidate.tolist() == [[0.25, 0.75]] * 2
    assert read.baseline is None
    assert read.slices["width"].tolist() == ["8", "8"]


def test_a_blessing_and_its_verdict_are_written_and_a_failed_attempt_is_emptied(place):
    blessing = standard_artifacts.ModelBlessing()
    blessing.uri = f"{place}/blessing"
    evaluator.write_blessing(blessing, {"blessed": True, "reasons": []})
    assert set(files_below(blessing.uri)) == {"BLESSED", judgement.FILE_NAME}
    assert json.loads((location(blessing.uri) / judgement.FILE_NAME).read_bytes())["blessed"] is True

    attempts = []

    def evaluate(model_paths):
        attempts.append((sorted(model_paths), sorted(files_below(f"{place}/evaluation"))))
        if "baseline" in model_paths:
            evaluator.write_json(location(f"{place}/evaluation") / "deep" / "half.json", {})
            raise RuntimeError("the baseline cannot be run")

    paths = {"candidate": "c", "baseline": "b"}
    baseline = Chosen(4, "newest")
    result = evaluator.evaluate_with_or_without_baseline(evaluate, paths, baseline, f"{place}/evaluation")
    assert attempts == [(["baseline", "candidate"], []), (["candidate"], [])]
    assert result.version is None


def test_the_ingest_report_is_read_from_its_artifact(place):
    report = artifacts.IngestReport()
    report.uri = place
    (location(place) / "ingest_report.json").write_text('{"counts": {"listed": 3}}')
    assert checked_data.data_check.read_ingest_report([report]) == {"counts": {"listed": 3}}


def test_a_model_artifact_at_an_address_is_pushed(tmp_path, place):
    model = tiny_models.save_model(tmp_path / "model")
    upload_tree(model, f"{place}/Format-Serving")
    pushed = push(f"{place}/Format-Serving", tmp_path / "serving")
    assert (pushed.path / "saved_model.pb").read_bytes() == (model / "saved_model.pb").read_bytes()
