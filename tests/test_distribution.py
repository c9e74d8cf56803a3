"""Several devices and half precision."""

import json
import logging
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from modules.recipe import Stage
from modules.stages import run_stages
from modules.strategy import build_strategy, check_batch_size, precision, uses_xla
from tests.tiny_training import tiny_classifier, tiny_setting


@pytest.fixture(scope="module")
def even_and_odd(tmp_path_factory):
    """Facts about trainings on 40 and on 45 images; logical devices need a process of their own."""
    command = [
        sys.executable,
        "-m",
        "tests.distributed_training",
        tmp_path_factory.mktemp("runs"),
        "40",
        "45",
    ]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in output.splitlines()[-2:]]


def test_two_devices_train_the_same_model_as_one(even_and_odd):
    even, _ = even_and_odd
    assert even["devices"] == 2
    assert even["stored"] == [True, True, False]
    assert even["movement"] > 0.01
    assert even["difference"] < 1e-4
    assert even["loss_difference"] < 1e-4


def test_two_devices_share_odd_numbers_of_images(even_and_odd):
    _, odd = even_and_odd
    assert odd["devices"] == 2
    # The last batch holds one image twice, so the results are close and not equal.
    assert 0 < odd["difference"] < odd["movement"] / 2
    assert odd["loss_difference"] < 0.1


def test_one_device_is_the_default():
    assert build_strategy("none").num_replicas_in_sync == 1
    assert build_strategy("mirrored").num_replicas_in_sync == len(tf.config.list_logical_devices("CPU"))


def test_a_machine_without_tpu_says_what_to_use():
    with pytest.raises(
        ValueError, match=r"training\.distribution: tpu, but .* no TPU .*Use none, or mirrored"
    ):
        build_strategy("tpu")


def test_a_batch_that_cannot_be_shared_equally_is_an_error():
    check_batch_size(32, 4)
    with pytest.raises(ValueError, match=r"32 images cannot be shared equally by 3 devices.*such as 33"):
        check_batch_size(32, 3)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_half_precision_trains_float32_weights(tmp_path, name):
    stages = [Stage(name="head", epochs=2), Stage(name="all", train="all", epochs=1)]
    before = tiny_classifier().model.get_weights()
    keras.utils.set_random_seed(0)
    with precision(name):
        classifier = tiny_classifier()
        records = run_stages(classifier, tiny_setting(tmp_path, *stages))
    weights = classifier.model.get_weights()
    assert {weight.dtype for weight in weights} == {np.dtype("float32")}
    assert max(np.abs(a - b).max() for a, b in zip(weights, before, strict=True)) > 1e-4
    assert all(np.isfinite(row["val_loss"]) for record in records for row in record["epochs"])


class InterruptAfterFirstEpoch(logging.Filter):
    """Stops a training as Ctrl-C would, when its first epoch has been told."""

    def filter(self, record):
        if ", epoch 1/" in record.getMessage():
            raise KeyboardInterrupt
        return True


def test_a_training_in_half_precision_continues_with_its_loss_scale(tmp_path, caplog):
    stage = Stage(name="all", train="all", epochs=3)

    def train(folder):
        keras.utils.set_random_seed(0)
        with precision("float16"):
            classifier = tiny_classifier()
            run_stages(classifier, tiny_setting(folder, stage))
        return classifier.model.get_weights()

    logger, interrupt = logging.getLogger("headstart.training"), InterruptAfterFirstEpoch()
    logger.addFilter(interrupt)
    try:
        with caplog.at_level(logging.INFO, logger.name), pytest.raises(KeyboardInterrupt):
            train(tmp_path / "broken")
    finally:
        logger.removeFilter(interrupt)
    for weight, expected in zip(train(tmp_path / "broken"), train(tmp_path / "unbroken"), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_precision_is_put_back_after_an_error():
    with pytest.raises(RuntimeError), precision("float16"):
        raise RuntimeError
    assert keras.config.dtype_policy().name == "float32"


def test_xla_is_left_alone_on_cpus():
    assert not tf.config.list_logical_devices("GPU")
    assert uses_xla() is False
