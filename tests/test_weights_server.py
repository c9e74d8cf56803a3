"""Whether weights can be had is known before a run begins."""

import http.server
import threading

import pytest

from modules.recipe import Model
from pipeline import weights_server


@pytest.mark.parametrize(("status", "reachable"), [(200, True), (403, True), (503, False)])
def test_a_server_that_answers_is_reachable_even_when_it_forbids_the_folder(status, reachable):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        error = weights_server.reach_weights(f"http://127.0.0.1:{server.server_port}/", timeout_seconds=5)
    assert (error is None) == reachable


def test_a_server_that_is_not_there_is_not_reachable():
    with http.server.HTTPServer(("127.0.0.1", 0), None) as server:
        port = server.server_port
    assert "refused" in weights_server.reach_weights(f"http://127.0.0.1:{port}/")


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """Nothing downloaded yet, and a server that refuses."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    with http.server.HTTPServer(("127.0.0.1", 0), None) as server:
        port = server.server_port
    return f"http://127.0.0.1:{port}/"


def test_weights_that_cannot_be_downloaded_are_missing_and_the_ways_out_are_named(nowhere):
    message = weights_server.missing_weights(Model(backbone="EfficientNetV2B0"), nowhere)
    assert "EfficientNetV2B0" in message
    assert "data/weights/mobilenet_v2_1.0_notop.weights.h5" in message
    assert "none" in message


@pytest.mark.parametrize(
    "model", [Model(weights="none"), Model(weights="a.h5"), Model(backbone_file="a.keras")]
)
def test_a_model_that_needs_no_download_misses_nothing(nowhere, model):
    assert weights_server.missing_weights(model, nowhere) is None


@pytest.mark.parametrize(
    ("backbone", "file"),
    [
        ("MobileNetV2", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"),
        ("EfficientNetV2B0", "efficientnetv2-b0_notop.h5"),
        ("MobileNetV3Small", "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5"),
        ("DenseNet121", "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    ],
)
def test_weights_that_keras_downloaded_before_are_found(nowhere, tmp_path, backbone, file):
    assert weights_server.missing_weights(Model(backbone=backbone), nowhere)
    (tmp_path / "keras" / "models").mkdir(parents=True)
    (tmp_path / "keras" / "models" / file).write_bytes(b"")
    assert weights_server.missing_weights(Model(backbone=backbone), nowhere) is None
