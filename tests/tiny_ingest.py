"""Tiny sources for ImageExampleGen, a run of its executor, and what it wrote."""

import collections
import io
import json
import pathlib
import tempfile

import numpy as np
import tensorflow as tf
from PIL import Image
from tfx.types import artifact_utils, standard_artifacts

from components import artifacts
from components.image_example_gen.executor import Executor
from components.image_example_gen.report import read_report
from modules import features

SHARES = {"train": 0.6, "eval": 0.2, "test": 0.2}


def png(seed, size=(8, 6), image_format="PNG", **options):
    """An encoded picture of noise; every seed gives another."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(noise).save(encoded, image_format, **options)
    return encoded.getvalue()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_classes(folder, images_a_class=30, first_seed=0):
    for class_number, label in enumerate(("cat", "dog")):
        for number in range(images_a_class):
            seed = first_seed + 1000 * class_number + number
            write(folder / label / f"{number:03d}.png", png(seed))
    return folder


def parameters(source, keys=None, **changes):
    return {
        "source": str(source),
        "format": "auto",
        "splits": json.dumps(SHARES),
        "tfrecord_keys": json.dumps(
            keys or {"image": "image/encoded", "label": "image/class/text", "split": None, "path": None}
        ),
        "max_megapixels": 1.0,
        "images_per_shard": 1000,
        "source_fingerprint": "",
        "source_hash": "",
        **changes,
    }


Result = collections.namedtuple("Result", ["examples", "report", "artifact", "record_folder"])


def run_ingest(tmp_path, source, beam_args=(), **changes):
    """Runs the executor in a folder of its own; returns {split: [tf.Example]}, report and artifact."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=tmp_path))
    examples, report = standard_artifacts.Examples(), artifacts.IngestReport()
    examples.uri, report.uri = str(folder / "examples"), str(folder / "report")
    executor = Executor(
        Executor.Context(beam_pipeline_args=list(beam_args), tmp_dir=str(folder / "tmp"), unique_id="1")
    )
    executor.Do({}, {"examples": [examples], "ingest_report": [report]}, parameters(source, **changes))
    assert not list((folder / "tmp").rglob("*.*")), "work files are left behind"
    splits = artifact_utils.decode_split_names(examples.split_names)
    return Result(
        {split: read(examples, split) for split in splits}, read_report(report.uri), examples, report.uri
    )


def shard_files(artifact, split):
    return sorted(pathlib.Path(artifact.uri, f"Split-{split}").iterdir())


def read(artifact, split):
    files = [str(file) for file in shard_files(artifact, split)]
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator()
    return [tf.train.Example.FromString(serialized) for serialized in records]


def value(example, name):
    feature = example.features.feature[name]
    (single,) = getattr(feature, feature.WhichOneof("kind")).value
    return single.decode() if isinstance(single, bytes) and name != features.IMAGE_BYTES else single


def split_of_paths(examples):
    return {
        value(example, features.SOURCE_PATH): split for split, all_ in examples.items() for example in all_
    }


def content_of(examples):
    return {
        value(example, features.SOURCE_PATH): value(example, features.IMAGE_BYTES)
        for split in examples.values()
        for example in split
    }
