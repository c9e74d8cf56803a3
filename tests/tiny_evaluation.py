"""The Evaluator on tiny models of known answers: image bytes are logits, so numbers can be recomputed."""

import hashlib
import json

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import standard_artifacts

from components import artifacts
from components.data_record import DataRecord
from components.evaluator import executor, predictions

CLASSES = ["Bücher", "дом", "<cat>"]
DATA = DataRecord.of([("ab" * 32, "дом", "train")])  # what ingest recorded of the run's images


def random_predictions(n, class_count, seed=0, skill=1.5):
    """Labels [n] and probabilities [n, classes] of a model that is right more often than not."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(class_count, size=n)
    logits = generator.normal(size=(n, class_count))
    logits[np.arange(n), labels] += skill
    exponentials = np.exp(logits)
    return labels, exponentials / exponentials.sum(axis=1, keepdims=True)


class Lookup(tf.Module):
    """A SavedModel whose image bytes are its logits, times a skill: a model of known predictions.

    An image holds a logit for each of `width` classes; the model looks at those of its own columns.
    """

    def __init__(self, classes, skill, columns, width):
        super().__init__()
        self.classes = tf.constant(classes)
        self.columns = tf.constant(columns)
        self.width = width
        self.skill = tf.constant(skill)
        self.calls = tf.Variable(0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serving_default(self, examples):
        features = tf.io.parse_example(examples, {"image_bytes": tf.io.FixedLenFeature([], tf.string)})
        logits = tf.reshape(tf.io.decode_raw(features["image_bytes"], tf.float32), [-1, self.width])
        probabilities = tf.nn.softmax(tf.gather(logits, self.columns, axis=1) * self.skill)
        return {
            "probabilities": probabilities,
            "all_classes": tf.tile(self.classes[None], [tf.shape(logits)[0], 1]),
        }


def save_model(path, classes=CLASSES, skill=1.0, columns=None, width=None):
    """Writes a model; by default the images hold the logits of its classes, in their order."""
    columns = list(range(len(classes))) if columns is None else columns
    model = Lookup(classes, skill, columns, width or len(classes))
    tf.saved_model.save(model, str(path), signatures={"serving_default": model.serving_default})


def write_examples(folder, classes=CLASSES, n=60, skill=1.5, relabelled=None):
    """Writes n images of random logits under Split-test; returns labels [n] and logits [n, classes].

    Args:
      folder: of the examples.
      classes: what an image can show; it holds a logit for each.
      n: number of images.
      skill: how much larger the logit of the true class is.
      relabelled: {class: the label that its images are given instead}.
    """
    labels, probabilities = random_predictions(n, len(classes), skill=skill)
    logits = np.log(probabilities).astype(np.float32)
    (folder / "Split-test").mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "Split-test/data_tfrecord-00000-of-00001.gz"), "GZIP") as writer:
        for index in range(n):
            image = logits[index].tobytes()
            label = (relabelled or {}).get(classes[labels[index]], classes[labels[index]])
            texts = {
                "image_bytes": image,
                "label": label.encode(),
                "image_format": b"PNG" if index % 3 else b"JPEG",
                "content_hash": hashlib.sha256(image).hexdigest().encode(),
                "source_path": f"{label}/{index:04d}.png".encode(),
            }
            feature = {
                name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                for name, value in texts.items()
            }
            feature["width"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[10 + index]))
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    return labels, logits


def write_schema(folder):
    kinds = {"label": "BYTES", "image_format": "BYTES", "content_hash": "BYTES", "source_path": "BYTES"}
    kinds |= {"width": "INT", "image_bytes": "BYTES"}
    schema = schema_pb2.Schema()
    for name, kind in kinds.items():
        text_format.Parse(
            f'name: "{name}" type: {kind} presence {{ min_fraction: 1.0 }} shape {{ dim {{ size: 1 }} }}',
            schema.feature.add(),
        )
    folder.mkdir(parents=True)
    (folder / "schema.pbtxt").write_text(text_format.MessageToString(schema))


def settings(**changes):
    return {
        "top_k": 2, "slices": [], "confidence": 0.95, "max_baseline_fall": 0.05, "accepted_data": None,
    } | changes  # fmt: skip


class Evaluated:
    """What one run of the executor left behind."""

    def __init__(self, folder, blessing):
        self.folder = folder
        self.blessing = blessing
        self.verdict = json.loads((folder / "blessing/verdict.json").read_text(encoding="utf-8"))
        self.analysis = json.loads((folder / "evaluation/analysis.json").read_text(encoding="utf-8"))
        self.predictions = predictions.read(str(folder / "predictions"))


def evaluate(folder, baseline=None, thresholds=None, **changes):
    """Runs the real executor on the folder's examples, schema and model.

    Args:
      folder: of the artifacts; it may hold baseline_model/Format-Serving.
      baseline: baseline.json; by default, that there is none.
      thresholds: metric to bounds.
      **changes: of the settings.
    """
    baseline_folder = folder / "baseline_model"
    baseline_folder.mkdir(exist_ok=True)
    (baseline_folder / "baseline.json").write_text(
        json.dumps(baseline or {"version": None, "reason": "first"})
    )
    (folder / "ingest_report").mkdir(exist_ok=True)
    DATA.write(folder / "ingest_report")

    def artifact(kind, name):
        made = kind()
        made.uri = str(folder / name)
        (folder / name).mkdir(exist_ok=True)
        return made

    examples = artifact(standard_artifacts.Examples, "examples")
    examples.split_names = '["train", "eval", "test"]'
    blessing = artifact(standard_artifacts.ModelBlessing, "blessing")
    executor.Executor().Do(
        {
            "examples": [examples],
            "model": [artifact(standard_artifacts.Model, "model")],
            "schema": [artifact(standard_artifacts.Schema, "schema")],
            "baseline_model": [artifact(artifacts.BaselineModel, "baseline_model")],
            "ingest_report": [artifact(artifacts.IngestReport, "ingest_report")],
        },
        {
            "evaluation": [artifact(standard_artifacts.ModelEvaluation, "evaluation")],
            "blessing": [blessing],
            "predictions": [artifact(artifacts.Predictions, "predictions")],
        },
        {
            "evaluation_settings": json.dumps(settings(**changes)),
            "thresholds": json.dumps(thresholds or {}),
            "source_hash": "abc",
        },
    )
    return Evaluated(folder, blessing)
