"""The table of backbones agrees with Keras, and every backbone sees the pixels it was trained on."""

import inspect
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from modules.backbone_network import BUNDLED_WEIGHTS
from modules.backbones import (
    BACKBONES,
    build_backbone,
    check_model,
    find_backbone,
    image_size_of,
    preprocess,
    preprocessing_mode,
)
from modules.recipe import Model

# One pixel of red 255, green 128, blue 0, through the preprocess_input that Keras documents.
KNOWN_PIXEL = (255.0, 128.0, 0.0)
DOCUMENTED_VALUES = {
    "identity": (255.0, 128.0, 0.0),
    "unit": (1.0, 0.501961, 0.0),
    "tf": (1.0, 0.003922, -1.0),
    "torch": ((1 - 0.485) / 0.229, (0.501961 - 0.456) / 0.224, -0.406 / 0.225),
    "caffe": (0.0 - 103.939, 128 - 116.779, 255 - 123.68),
}
MODES_OF_FAMILIES = {
    "ConvNeXt": "identity",
    "DenseNet": "torch",
    "EfficientNet": "identity",
    "Inception": "tf",
    "MobileNetV3": "identity",
    "MobileNet": "tf",
    "NASNet": "tf",
    "ResNet": "caffe",
    "VGG": "caffe",
    "Xception": "tf",
}
SLOW_TO_BUILD = {  # two seconds and more; each has a smaller sister of the same make
    "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtXLarge", "DenseNet201", "EfficientNetB3", "EfficientNetB4",
    "EfficientNetB5", "EfficientNetB6", "EfficientNetB7", "EfficientNetV2L", "EfficientNetV2M",
    "EfficientNetV2S", "InceptionResNetV2", "NASNetLarge", "ResNet101", "ResNet101V2", "ResNet152",
    "ResNet152V2",
}  # fmt: skip
ALL_TO_BUILD = [
    pytest.param(name, marks=pytest.mark.slow if name in SLOW_TO_BUILD else ()) for name in BACKBONES
]


def keras_builder(name):
    return getattr(keras.applications, name)


def known_images():
    return tf.fill([1, 2, 2, 1], 1.0) * tf.constant(KNOWN_PIXEL)


def test_the_table_lists_exactly_the_models_of_keras_applications():
    in_keras = {name for name, _ in inspect.getmembers(keras.applications, inspect.isfunction)}

    assert set(BACKBONES) == in_keras


def test_the_table_is_read_without_tensorflow():
    code = "import sys, modules.backbones; print({'tensorflow', 'keras', 'numpy'} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize("name", BACKBONES)
def test_known_pixels_get_the_values_that_keras_documents(name):
    mode = BACKBONES[name].preprocessing
    family = next(family for family in MODES_OF_FAMILIES if name.startswith(family))
    is_resnet_v2 = name.startswith("ResNet") and name.endswith("V2")

    pixels = preprocess(known_images(), mode)

    assert mode == ("tf" if is_resnet_v2 else MODES_OF_FAMILIES[family])
    np.testing.assert_allclose(pixels[0, 1, 1], DOCUMENTED_VALUES[mode], atol=1e-5)
    keras_preprocess_input = sys.modules[keras_builder(name).__module__].preprocess_input
    np.testing.assert_allclose(pixels, keras_preprocess_input(known_images()), atol=1e-6)


def test_unit_preprocessing_divides_by_255():
    np.testing.assert_allclose(
        preprocess(known_images(), "unit")[0, 0, 0], DOCUMENTED_VALUES["unit"], atol=1e-6
    )


def test_preprocessing_names_the_modes_when_one_is_unknown():
    with pytest.raises(ValueError, match=r"'zero_centred'.*'identity', 'unit', 'tf', 'torch', 'caffe'"):
        preprocess(known_images(), "zero_centred")


@pytest.mark.parametrize("name", BACKBONES)
def test_image_sizes_are_those_of_keras(name):
    backbone, builder = BACKBONES[name], keras_builder(name)

    with pytest.raises(ValueError, match=f"at least {backbone.min_image_size}x{backbone.min_image_size}"):
        builder(include_top=False, weights=None, input_shape=(16, 16, 3))
    if not name.startswith("MobileNetV3"):  # builds any size with its top; 224 is in its warning
        native_shape = rf"should be \({backbone.native_image_size}, {backbone.native_image_size}, 3\)"
        with pytest.raises(ValueError, match=native_shape):
            builder(include_top=True, weights="imagenet", input_shape=(97, 97, 3))


def rescales_inside(network):
    inside = (keras.layers.Rescaling, keras.layers.Normalization)
    return any(isinstance(layer, inside) for layer in network._flatten_layers())


@pytest.mark.parametrize("name", ALL_TO_BUILD)
def test_every_backbone_builds_and_is_normalised_exactly_once(name):
    keras.backend.clear_session()
    backbone = BACKBONES[name]
    image_size = backbone.min_image_size

    network = build_backbone(Model(backbone=name, weights="none"), image_size)

    assert network.input_shape == (None, image_size, image_size, 3)
    assert len(network.output_shape) == 4
    assert rescales_inside(network) == (backbone.preprocessing == "identity")


def test_an_unknown_backbone_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"'mobilenet_v2'.*Did you mean MobileNetV2\?"):
        find_backbone("mobilenet_v2")


def test_the_image_size_is_the_native_one_unless_another_is_asked_for():
    assert image_size_of(Model(backbone="EfficientNetB3")) == 300
    assert image_size_of(Model(backbone="EfficientNetB3", image_size=128)) == 128


def test_an_image_size_below_the_minimum_says_what_the_minimum_is():
    with pytest.raises(ValueError, match=r"64 pixels are too few for Xception. Use 71 or more.*299"):
        check_model(Model(backbone="Xception", image_size=64))


def test_a_backbone_file_needs_an_image_size():
    with pytest.raises(ValueError, match=r"model\.image_size: missing"):
        check_model(Model(backbone_file="own.keras"))


def test_a_missing_weights_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"model\.weights: there is no file 'no/such\.h5'"):
        build_backbone(Model(weights="no/such.h5"), 32)


def test_weights_saved_from_a_backbone_are_loaded_into_the_next(tmp_path):
    images = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    trained = build_backbone(Model(backbone="MobileNet", weights="none"), 32)
    path = str(tmp_path / "trained.weights.h5")
    trained.save_weights(path)

    loaded = build_backbone(Model(backbone="MobileNet", weights=path), 32)

    np.testing.assert_allclose(loaded(images), trained(images), atol=1e-6)


def test_weights_of_another_backbone_are_refused(tmp_path):
    path = str(tmp_path / "mobilenet.weights.h5")
    build_backbone(Model(backbone="MobileNet", weights="none"), 32).save_weights(path)

    with pytest.raises(ValueError, match=r"mobilenet\.weights\.h5' does not fit MobileNetV2 without its top"):
        build_backbone(Model(backbone="MobileNetV2", weights=path), 32)


def test_a_file_that_holds_no_weights_is_refused(tmp_path):
    path = tmp_path / "text.weights.h5"
    path.write_text("not weights")

    with pytest.raises(ValueError, match=r"text\.weights\.h5' does not fit MobileNet "):
        build_backbone(Model(backbone="MobileNet", weights=str(path)), 32)


IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STANDARD_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def published_efficientnet():
    """As Keras publishes it: the standard deviation stands where the layer wants the variance."""
    network = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    network.get_layer(index=2).set_weights([IMAGENET_MEAN, IMAGENET_STANDARD_DEVIATION, np.array(0)])
    return network


def stem_output(network):
    """What the first convolution of an EfficientNet sees of the known pixel."""
    stem = keras.Model(network.input, network.get_layer("stem_conv_pad").input)
    return stem(np.full((1, 32, 32, 3), KNOWN_PIXEL, np.float32))[0, 0, 0]


def test_keras_own_efficientnet_weights_by_path_see_standardised_images(tmp_path):
    path = str(tmp_path / "efficientnetb0_notop.weights.h5")
    published_efficientnet().save_weights(path)

    network = build_backbone(Model(backbone="EfficientNetB0", weights=path), 32)

    standardised = (np.array(KNOWN_PIXEL) / 255 - IMAGENET_MEAN) / IMAGENET_STANDARD_DEVIATION
    np.testing.assert_allclose(stem_output(network), standardised, atol=1e-5)


def test_weights_copied_between_backbones_carry_the_input_statistics_along(tmp_path):
    path = str(tmp_path / "efficientnetb0_notop.weights.h5")
    published_efficientnet().save_weights(path)
    trained = build_backbone(Model(backbone="EfficientNetB0", weights=path), 32)
    copy = build_backbone(Model(backbone="EfficientNetB0", weights="none"), 32)

    copy.set_weights(trained.get_weights())

    np.testing.assert_allclose(stem_output(copy), stem_output(trained), atol=1e-6)


def test_a_failed_download_names_the_bundled_weights_and_the_option(tmp_path):
    code = """
from modules.backbones import build_backbone
from modules.recipe import Model
try:
    build_backbone(Model(backbone="MobileNetV2", weights="imagenet"), 32)
except ConnectionError as error:
    print(error)
"""
    # A proxy at a closed port of this machine: the download fails the same way with or without internet.
    environment = {
        "PATH": "/usr/bin:/bin",
        "KERAS_HOME": str(tmp_path),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "-1",
        "https_proxy": "http://127.0.0.1:9",
    }

    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120
    )

    assert "the ImageNet weights of MobileNetV2 could not be downloaded: URL fetch failure" in result.stdout
    assert "set model.weights to the path of a weights file" in result.stdout
    assert BUNDLED_WEIGHTS in result.stdout


def own_model(tmp_path, network):
    path = str(tmp_path / "own.keras")
    network.save(path)
    return Model(backbone_file=path, backbone_preprocessing="unit")


def test_an_own_keras_file_becomes_the_backbone_with_its_declared_preprocessing(tmp_path):
    network = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3)])
    model = own_model(tmp_path, network)
    images = np.random.default_rng(0).random((2, 40, 40, 3), np.float32)

    backbone = build_backbone(model, 40)

    assert preprocessing_mode(model) == "unit"
    assert not isinstance(backbone, keras.Sequential)
    np.testing.assert_allclose(backbone(images), network(images), atol=1e-6)


def test_an_own_file_may_give_a_feature_vector(tmp_path):
    layers = [keras.Input((40, 40, 3)), keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D()]

    assert build_backbone(own_model(tmp_path, keras.Sequential(layers)), 40).output_shape == (None, 4)


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([keras.Input((96, 96, 3)), keras.layers.Conv2D(4, 3)], r"takes \(None, 96, 96, 3\), but images are"),
        ([keras.Input((40, 40, 1)), keras.layers.Conv2D(4, 3)], r"takes \(None, 40, 40, 1\)"),
        ([keras.Input((40, 40, 3)), keras.layers.Reshape((-1, 3))], r"gives \(None, 1600, 3\)"),
        ([keras.layers.Conv2D(4, 3)], "0 fixed inputs"),
    ],
    ids=["other size", "grey", "sequence", "not built"],
)
def test_an_own_file_of_the_wrong_shape_says_what_fits(tmp_path, layers, message):
    with pytest.raises(ValueError, match=message):
        build_backbone(own_model(tmp_path, keras.Sequential(layers)), 40)


def test_an_own_file_with_two_inputs_is_refused(tmp_path):
    left, right = keras.Input((40, 40, 3)), keras.Input((40, 40, 3))
    network = keras.Model([left, right], keras.layers.Add()([left, right]))

    with pytest.raises(ValueError, match="2 fixed inputs and 1 outputs"):
        build_backbone(own_model(tmp_path, network), 40)


def test_own_files_that_are_missing_damaged_or_of_another_kind_are_refused(tmp_path):
    damaged, other_kind = tmp_path / "damaged.keras", tmp_path / "model.h5"
    damaged.write_text("not a model")
    other_kind.write_text("not a model")

    with pytest.raises(FileNotFoundError, match=r"model\.backbone_file: there is no file"):
        build_backbone(Model(backbone_file=str(tmp_path / "missing.keras")), 40)
    with pytest.raises(ValueError, match="Keras could not load"):
        build_backbone(Model(backbone_file=str(damaged)), 40)
    with pytest.raises(ValueError, match=r"is no \.keras file"):
        build_backbone(Model(backbone_file=str(other_kind)), 40)


def test_a_weights_file_beside_a_backbone_file_is_refused():
    with pytest.raises(ValueError, match=r"'a\.h5' cannot be combined with model\.backbone_file"):
        check_model(Model(backbone_file="own.keras", image_size=40, weights="a.h5"))
