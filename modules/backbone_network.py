"""Backbones as Keras models: built without a top, with weights from Keras or from a file."""

import socket
import warnings

import keras
import numpy as np

from modules.backbones import TORCH_STANDARD_DEVIATION

BUNDLED_WEIGHTS = "data/weights/mobilenet_v2_1.0_notop.weights.h5"  # ImageNet weights of MobileNetV2
DOWNLOAD_TIMEOUT_SECONDS = 30  # without an answer; behind some firewalls a connection hangs for minutes


def build_network(name: str, image_size: int) -> keras.Model:
    """Builds a model of keras.applications without its top, with random weights.

    Raises:
      ValueError: when the installed Keras has no model of that name.
    """
    if not hasattr(keras.applications, name):
        raise ValueError(
            f"model.backbone: Keras {keras.__version__} has no {name}. Install another Keras, or choose "
            "another backbone."
        )
    return _with_own_normalization(_without_top(name, image_size, weights=None))


def _without_top(name: str, image_size: int, weights) -> keras.Model:
    # The shape is static because NASNet with ImageNet weights demands it.
    builder = getattr(keras.applications, name)
    return builder(include_top=False, weights=weights, input_shape=(image_size, image_size, 3))


class Normalization(keras.layers.Normalization):
    """Normalization by its weights as they are now; named as Keras' because weights files go by class names.

    Keras' own layer keeps a copy from the last adapt or load: weights set by set_weights change nothing.
    """

    def call(self, inputs):
        mean = keras.ops.cast(self.adapt_mean, self.compute_dtype)
        variance = keras.ops.cast(self.adapt_variance, self.compute_dtype)
        return (keras.ops.cast(inputs, self.compute_dtype) - mean) / keras.ops.sqrt(variance)


def _with_own_normalization(network: keras.Model) -> keras.Model:
    def copy_layer(layer):
        layer_class = Normalization if layer in adaptable else type(layer)
        return layer_class.from_config(layer.get_config())

    adaptable = [layer for layer in network.layers if _is_adaptable(layer)]
    return keras.models.clone_model(network, clone_function=copy_layer) if adaptable else network


def _is_adaptable(layer: keras.layers.Layer) -> bool:
    """True for a Normalization whose mean and variance are weights: in EfficientNet, but not in V2."""
    return isinstance(layer, keras.layers.Normalization) and bool(layer.weights)


def download_weights(network: keras.Model, name: str, image_size: int) -> None:
    """Gives the network the ImageNet weights that Keras publishes, from its cache or the internet.

    Raises:
      ConnectionError: when they could not be downloaded.
    """
    timeout_before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_SECONDS)
    try:
        with warnings.catch_warnings():
            # At sizes without weights of their own, MobileNets take those of 224 pixels, and say so.
            warnings.filterwarnings("ignore", message=".*`input_shape` is undefined or non-square")
            published = _without_top(name, image_size, weights="imagenet")
    except Exception as error:
        # keras.utils.get_file raises a bare Exception with this text, or lets OSError (time-outs) through.
        if not (isinstance(error, OSError) or str(error).startswith("URL fetch failure")):
            raise
        raise ConnectionError(
            f"model.weights: the ImageNet weights of {name} could not be downloaded: {error}. "
            f"Without internet, set model.weights to the path of a weights file: {BUNDLED_WEIGHTS} in the "
            "repository fits MobileNetV2, and a file that Keras downloaded elsewhere (~/.keras/models, "
            "*notop.h5) fits its own backbone. Or set model.weights to none to train from scratch."
        ) from error
    finally:
        socket.setdefaulttimeout(timeout_before)
    network.set_weights(published.get_weights())
    _square_standard_deviation(network)


def load_weights(network: keras.Model, name: str, path: str) -> None:
    """Gives the network the weights of a file.

    Args:
      network: as build_network returns it.
      name: the backbone's name, for messages.
      path: a .weights.h5 or .h5 file saved from the same backbone with include_top=False.

    Raises:
      ValueError: when the file does not fit.
    """
    try:
        network.load_weights(path)
    except (ValueError, OSError) as error:
        raise ValueError(
            f"model.weights: the file {path!r} does not fit {name} without its top. Use a .weights.h5 or .h5 "
            f"file saved from {name}(include_top=False). Keras says: {str(error).splitlines()[0]}"
        ) from error
    _square_standard_deviation(network)


def _square_standard_deviation(network: keras.Model) -> None:
    """Makes the weights that Keras publishes for EfficientNet standardise images as they were trained to.

    They hold the standard deviation where the Normalization layer wants the variance. Keras makes up for
    it by a Rescaling layer, but only for weights="imagenet" (keras/src/applications/efficientnet.py): by
    path the same file would silently see images of half the contrast.
    """
    for layer in filter(_is_adaptable, network.layers):
        variance = keras.ops.convert_to_numpy(layer.adapt_variance)
        if np.allclose(variance, TORCH_STANDARD_DEVIATION, atol=1e-3):
            layer.adapt_variance.assign(variance**2)


def load_backbone_file(path: str, image_size: int) -> keras.Model:
    """Loads a Keras model of one's own from images to features.

    Args:
      path: a .keras file with a functional or Sequential model.
      image_size: height and width in pixels of the images it will see.

    Raises:
      ValueError: when it cannot be loaded, or its input or output has another shape than needed.
    """
    if not path.endswith(".keras"):
        raise ValueError(
            f"model.backbone_file: {path!r} is no .keras file. Save yours by model.save(PATH.keras)."
        )
    try:
        network = keras.saving.load_model(path, compile=False)
    except (ValueError, TypeError, OSError) as error:
        raise ValueError(f"model.backbone_file: Keras could not load {path!r}: {error}") from error
    inputs, outputs = (network.inputs, network.outputs) if _has_fixed_inputs(network) else ([], [])
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(
            f"model.backbone_file: {path!r} has {len(inputs)} fixed inputs and {len(outputs)} outputs. It "
            "must be a functional or built Sequential model with one of each."
        )
    input_shape, output_shape = tuple(inputs[0].shape), tuple(outputs[0].shape)
    takes_rgb = len(input_shape) == 4 and input_shape[3] == 3
    if not takes_rgb or not set(input_shape[1:3]) <= {None, image_size}:
        raise ValueError(
            f"model.backbone_file: {path!r} takes {input_shape}, but images are "
            f"{(None, image_size, image_size, 3)}. Set model.image_size to what it takes."
        )
    if len(output_shape) not in (2, 4):
        raise ValueError(
            f"model.backbone_file: {path!r} gives {output_shape}. It must give a feature map "
            "(batch, height, width, channels) or a feature vector (batch, channels)."
        )
    return keras.Model(inputs[0], outputs[0], name=network.name)


def _has_fixed_inputs(network: keras.Model) -> bool:
    # An unbuilt Sequential raises on .inputs, a subclassed model has none.
    return network.built and getattr(network, "inputs", None) is not None
