"""The data steps on other runners than the default one: the same results, from other processes."""

import re

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format

from components.schema_gen.measured import MEASURED_FEATURES
from modules import features
from pipeline.beam_config import Beam
from pipeline.beam_options import beam_arguments
from tests.beam_engine import ROOT, running_engine
from tests.beam_steps import run_example_gen, run_statistics_gen, run_steps, shard_files
from tests.tiny_ingest import write_classes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_classes(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def reference(tmp_path_factory, source):
    """What the direct runner writes as it is by default."""
    return run_steps(tmp_path_factory.mktemp("reference"), source, beam_arguments(Beam()))


def transformed(graph: str, image: bytes) -> dict[str, np.ndarray]:
    """Runs Transform's graph on one image."""
    output = tft.TFTransformOutput(graph)
    raw = {
        name: tf.zeros([1, 1], spec.dtype) if spec.dtype != tf.string else tf.constant([["cat"]])
        for name, spec in output.raw_feature_spec().items()
    }
    raw[features.IMAGE_BYTES] = tf.constant([[image]])
    loaded = tf.saved_model.load(output.transform_savedmodel_dir)
    return {name: np.asarray(value) for name, value in loaded.transform_fn(raw).items()}


def comparable(statistics) -> dict[str, str]:
    """Statistics as text by feature: workers may end in another order and add in another order."""
    return {
        feature.path.step[0]: re.sub(
            r"[0-9]+\.[0-9e+-]+",
            lambda number: f"{float(number[0]):.9g}",
            text_format.MessageToString(feature),
        )
        for feature in statistics.datasets[0].features
    }


def assert_equal_examples(shards, reference) -> None:
    assert len(shards) >= 5  # there is something to do for several workers
    assert shards == reference.shards


def assert_equal_statistics(found, reference) -> None:
    assert found.keys() == {"train", "eval", "test"}
    for split, statistics in found.items():
        assert comparable(statistics).keys() == set(MEASURED_FEATURES)
        assert comparable(statistics) == comparable(reference.statistics[split])


def assert_equal_graphs(found, reference, image: bytes) -> None:
    expected = transformed(reference.transform_graph, image)
    assert expected[features.LABEL_INDEX].tolist() == [0]
    for name, value in transformed(found.transform_graph, image).items():
        np.testing.assert_array_equal(value, expected[name])


def assert_equal_evaluations(found, reference) -> None:
    assert found.predictions.source_path.tolist() == reference.predictions.source_path.tolist()
    np.testing.assert_allclose(found.predictions.candidate, reference.predictions.candidate, rtol=1e-6)
    assert found.verdict["blessed"] is True
    for name, metric in reference.verdict["metrics"].items():
        assert found.verdict["metrics"][name]["value"] == pytest.approx(metric["value"], rel=1e-6), name


def assert_equal(found, reference, source) -> None:
    assert_equal_examples(found.shards, reference)
    assert_equal_statistics(found.statistics, reference)
    assert_equal_graphs(found, reference, (source / "cat" / "000.png").read_bytes())
    assert_equal_evaluations(found, reference)


def test_a_job_service_with_a_pool_of_workers_gives_the_same_as_one_process(tmp_path, source, reference):
    (tmp_path / "run").mkdir()
    with running_engine(tmp_path) as engine:
        found = run_steps(tmp_path / "run", source, beam_arguments(engine.beam))
        # ImageExampleGen, StatisticsGen, Transform and Evaluator
        assert engine.job_states() == ["DONE"] * 4
        assert engine.workers_started() == 4
        opened = engine.images_opened()
    assert opened.keys() == {str(path) for path in source.rglob("*.png")}
    assert_equal(found, reference, source)


def test_threads_of_the_direct_runner_give_the_same_as_one_process(tmp_path, source, reference):
    found = run_steps(tmp_path, source, beam_arguments(Beam(mode="threads", workers=2)))
    assert_equal(found, reference, source)


def test_processes_of_the_direct_runner_give_the_same_as_one(tmp_path, source, reference, monkeypatch):
    """Two steps, because each pays for two processes that import TensorFlow."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # of the processes, as if this code were installed
    arguments = beam_arguments(Beam(mode="processes", workers=2))
    examples = run_example_gen(tmp_path, source, arguments)
    assert_equal_examples(shard_files(tmp_path), reference)
    assert_equal_statistics(run_statistics_gen(tmp_path, examples, arguments), reference)
