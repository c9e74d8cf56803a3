"""The exported model: one preprocessing everywhere, two signatures, no ballast."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from modules import features
from modules.activations import inference, outputs_in_batches
from modules.backbones import BACKBONES, build_backbone, preprocessing_mode
from modules.examples import load_images
from modules.model import FromPixels, build_classifier
from modules.recipe import Head, Model
from modules.reference_outputs import reference_outputs
from modules.serving import ServingModel, export
from modules.store import ArrayStore
from modules.transform_graph import TransformGraph
from tests.tiny_training import LABELS
from tests.tiny_transform import tiny_examples, write_split, write_transform_graph

FAST_BACKBONES = {"MobileNetV2", "MobileNetV3Small", "DenseNet121", "ResNet50"}  # one for each preprocessing
ALL_BACKBONES = [
    pytest.param(name, marks=() if name in FAST_BACKBONES else pytest.mark.slow) for name in BACKBONES
]


def model_of(backbone: str) -> dict:
    size = max(32, BACKBONES[backbone].min_image_size)
    return {"backbone": backbone, "weights": "none", "image_size": size}


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """A folder with a train split of twelve real image files."""
    folder = tmp_path_factory.mktemp("examples")
    write_split(folder, "train", tiny_examples(12, seed=1))
    return folder


@pytest.fixture(scope="module")
def mobile_net(tmp_path_factory, examples):
    """The folder of an exported MobileNetV2, its Keras model and its transform graph."""
    folder = tmp_path_factory.mktemp("mobile_net")
    model = model_of("MobileNetV2")
    graph = TransformGraph(write_transform_graph(folder / "transform", examples, model))
    backbone = build_backbone(Model(**model), model["image_size"])
    classifier = build_classifier(backbone, Head(), len(LABELS), seed=0).model
    classifier.compile("adam", "mse")
    classifier.optimizer.build(classifier.trainable_variables)
    export(classifier, graph, str(folder / "exported"), {"labels": list(LABELS)})
    return str(folder / "exported"), classifier, graph


def bytes_under(folder: str) -> int:
    return sum(os.path.getsize(f"{path}/{name}") for path, _, names in os.walk(folder) for name in names)


def serialized_examples(folder) -> list[bytes]:
    files = tf.io.gfile.glob(f"{folder}/Split-train/*")
    return list(tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator())


def image_bytes_of(serialized: list[bytes]) -> list[bytes]:
    examples = [tf.train.Example.FromString(one) for one in serialized]
    return [one.features.feature[features.IMAGE_BYTES].bytes_list.value[0] for one in examples]


@pytest.mark.parametrize("backbone", ALL_BACKBONES)
def test_training_evaluation_and_serving_agree_on_real_images(tmp_path, examples, backbone):
    model = model_of(backbone)
    graph = TransformGraph(write_transform_graph(tmp_path / "transform", examples, model))
    settings, pattern = Model(**model), f"{examples}/Split-train/*"
    store = ArrayStore(str(tmp_path / "store"), "memory")
    keras.utils.set_random_seed(3)
    network = build_backbone(settings, model["image_size"])
    classifier = build_classifier(network, Head(), len(LABELS), seed=0).model
    from_pixels = FromPixels(preprocessing_mode(settings), None, classifier)
    spread_logits(from_pixels, load_images([pattern], graph, store, "train").pixels)

    path = tmp_path / "reference.npz"
    path.write_bytes(reference_outputs(from_pixels, graph, [pattern]))
    training = np.load(path)["probabilities"]

    serving = ServingModel(classifier, graph)
    serialized = serialized_examples(examples)
    evaluation = serving.serving_default(tf.constant(serialized))
    answers = serving.serve_images(tf.constant(image_bytes_of(serialized)))

    assert np.ptp(training, axis=0).max() > 0.1  # the images are told apart, so agreeing means something
    np.testing.assert_allclose(evaluation["probabilities"], training, atol=1e-5)
    for labels, probabilities, expected in zip(*answers_of(answers), training, strict=True):
        by_label = dict(zip(labels, probabilities, strict=True))
        np.testing.assert_allclose([by_label[label.encode()] for label in LABELS], expected, atol=1e-5)


def spread_logits(model: FromPixels, pixels: np.ndarray) -> None:
    """Scales the last layer so that the images' logits differ: those of random weights hardly do."""
    logits = np.concatenate(list(outputs_in_batches(inference(model), pixels)))
    kernel, bias = model.top.layers[-1].get_weights()
    mean, spread = logits.mean(axis=0), logits.std(axis=0)
    model.top.layers[-1].set_weights([kernel / spread, (bias - mean) / spread])


def answers_of(answers: dict) -> tuple[np.ndarray, np.ndarray]:
    return answers["labels"].numpy(), answers["probabilities"].numpy()


def test_serve_images_sorts_labels_by_falling_probability(mobile_net, examples):
    directory, *_ = mobile_net
    answers = tf.saved_model.load(directory).signatures["serve_images"](
        image_bytes=tf.constant(image_bytes_of(serialized_examples(examples))[:4])
    )
    labels, probabilities = answers_of(answers)
    assert labels.shape == probabilities.shape == (4, 3)
    assert (np.diff(probabilities, axis=1) <= 0).all()
    assert {tuple(sorted(row)) for row in labels} == {tuple(label.encode() for label in LABELS)}
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_serving_default_needs_nothing_but_the_bytes(mobile_net, examples):
    signature = tf.saved_model.load(mobile_net[0]).signatures["serving_default"]
    whole = serialized_examples(examples)[:3]
    bare = []
    for one in whole:
        example = tf.train.Example.FromString(one)
        for name in set(example.features.feature) - {features.IMAGE_BYTES}:
            del example.features.feature[name]
        bare.append(example.SerializeToString())
    expected, answer = signature(examples=tf.constant(whole)), signature(examples=tf.constant(bare))
    np.testing.assert_array_equal(answer["probabilities"], expected["probabilities"])
    assert answer["all_classes"].numpy().tolist() == [[label.encode() for label in LABELS]] * 3


def test_the_export_holds_weights_once_and_no_optimizer(mobile_net):
    directory, classifier, _ = mobile_net
    weights = sum(np.array(weight).nbytes for weight in classifier.weights)
    variables = f"{directory}/variables"
    assert (
        weights
        <= sum(os.path.getsize(f"{variables}/{name}") for name in os.listdir(variables))
        < 1.02 * weights
    )
    total = sum(os.path.getsize(f"{path}/{name}") for path, _, names in os.walk(directory) for name in names)
    assert total <= 1.2 * weights + os.path.getsize(f"{directory}/saved_model.pb")
    names = [name for name, _ in tf.train.list_variables(f"{variables}/variables")]
    assert not [name for name in names if "optimizer" in name.lower()]


def test_the_export_loads_in_a_process_that_only_knows_tensorflow(mobile_net, examples, tmp_path):
    (tmp_path / "image.png").write_bytes(image_bytes_of(serialized_examples(examples))[0])
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['keras', 'tf_keras', 'tensorflow_transform', 'modules']))\n"
        "import tensorflow as tf\n"
        "model = tf.saved_model.load(sys.argv[1])\n"
        "image_bytes = tf.constant([open(sys.argv[2], 'rb').read()])\n"
        "answer = model.signatures['serve_images'](image_bytes=image_bytes)\n"
        "print(answer['labels'].numpy()[0][0].decode())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, mobile_net[0], str(tmp_path / "image.png")],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert run.stdout.strip() in LABELS


def test_facts_about_the_model_lie_beside_it(mobile_net):
    with open(f"{mobile_net[0]}/assets.extra/headstart.json") as file:
        assert json.load(file) == {"labels": list(LABELS)}


def test_pixels_are_decoded_in_file_order_with_their_labels(mobile_net, examples, tmp_path):
    graph = mobile_net[2]
    images = load_images(
        [f"{examples}/Split-train/*"], graph, ArrayStore(str(tmp_path / "s"), "memory"), "train"
    )
    assert (images.pixels.shape, images.pixels.dtype) == ((12, 32, 32, 3), np.uint8)
    assert images.labels.tolist() == [0, 1, 2] * 4
    brightness = images.pixels.mean(axis=(1, 2, 3))
    assert brightness[0::3].min() > brightness[1::3].max()


def test_images_of_unknown_classes_are_left_out(mobile_net, tmp_path, caplog):
    known, unknown = tiny_examples(2, seed=4)
    unknown.features.feature[features.LABEL].bytes_list.value[0] = b"never seen"
    write_split(tmp_path, "eval", [unknown, known])
    store = ArrayStore(str(tmp_path / "store"), "memory")
    images = load_images([f"{tmp_path}/Split-eval/*"], mobile_net[2], store, "eval")
    assert images.labels.tolist() == [0]
    assert "1 images of the eval split have a class without training images" in caplog.text


def test_an_empty_split_is_an_error(mobile_net, tmp_path):
    write_split(tmp_path, "eval", [])
    with pytest.raises(ValueError, match="The eval split has no usable image"):
        load_images(
            [f"{tmp_path}/Split-eval/*"], mobile_net[2], ArrayStore(str(tmp_path / "s"), "memory"), "eval"
        )
