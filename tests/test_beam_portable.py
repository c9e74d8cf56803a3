"""The data steps on other runners than the default one: the same results, from other processes."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from modules import features
from pipeline.beam_config import Beam
from pipeline.beam_options import beam_arguments
from tests.beam_engine import ROOT, running_engine
from tests.beam_steps import run_steps
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


def assert_equal(found, reference, image: bytes) -> None:
    assert len(found.shards) >= 3
    assert found.shards == reference.shards
    assert found.statistics == reference.statistics
    assert {s: proto.datasets[0].num_examples for s, proto in found.statistics.items()} != {}
    expected = transformed(reference.transform_graph, image)
    for name, value in transformed(found.transform_graph, image).items():
        np.testing.assert_array_equal(value, expected[name])
    assert expected[features.LABEL_INDEX].tolist() == [0]
    assert found.predictions.source_path.tolist() == reference.predictions.source_path.tolist()
    np.testing.assert_allclose(found.predictions.candidate, reference.predictions.candidate, rtol=1e-6)
    for name, metric in reference.verdict["metrics"].items():
        assert found.verdict["metrics"][name]["value"] == pytest.approx(metric["value"], rel=1e-6), name
    assert found.verdict["blessed"] is True


@pytest.fixture
def image(source):
    return (source / "cat" / "000.png").read_bytes()


def test_a_job_service_with_a_pool_of_workers_gives_the_same_as_one_process(
    tmp_path, source, reference, image
):
    with running_engine(tmp_path) as engine:
        (tmp_path / "run").mkdir()
        found = run_steps(tmp_path / "run", source, beam_arguments(engine.beam))
        # ImageExampleGen, StatisticsGen, Transform and Evaluator
        assert engine.job_states() == ["DONE"] * 4
        assert engine.workers_started() == 4
        opened = engine.images_opened()
    assert opened.keys() == {str(path) for path in source.rglob("*.png")}
    assert_equal(found, reference, image)


@pytest.mark.parametrize("mode", ["threads", "processes"])
def test_several_workers_of_the_direct_runner_give_the_same_as_one(
    mode, tmp_path, source, reference, image, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # of the worker processes, as if this were installed
    found = run_steps(tmp_path, source, beam_arguments(Beam(mode=mode, workers=2)))
    assert_equal(found, reference, image)
