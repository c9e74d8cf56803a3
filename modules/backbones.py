"""The backbones that can be fine-tuned: every model of keras.applications, or a Keras file of one's own.

Importing this module imports no TensorFlow, so that the command line can list and check backbones.
"""

import dataclasses
import difflib
import os
import typing

from modules.recipe import Model
from modules.storage import StorageError, check_access, explained, is_remote, local_copy, location

if typing.TYPE_CHECKING:
    import keras
    import tensorflow as tf

PreprocessingMode = typing.Literal["identity", "unit", "tf", "torch", "caffe"]

# Means and standard deviations of ImageNet's training images, as keras.applications.imagenet_utils
# has them: RGB in [0, 1] for torch, BGR in [0, 255] for caffe.
TORCH_MEAN = (0.485, 0.456, 0.406)
TORCH_STANDARD_DEVIATION = (0.229, 0.224, 0.225)
CAFFE_MEAN = (103.939, 116.779, 123.68)


@dataclasses.dataclass(frozen=True)
class Backbone:
    """What must be known about a model of keras.applications before it is built."""

    name: str
    """Name of the function in keras.applications."""
    native_image_size: int
    """Height and width in pixels of the images that the published weights were trained on."""
    preprocessing: PreprocessingMode
    """What the model's own preprocess_input does; identity where the network rescales inside."""
    min_image_size: int = 32
    """Smallest height and width in pixels that Keras builds without the top."""


# Sizes and modes: https://keras.io/api/applications/ and the preprocess_input of each model's page.
BACKBONES = {
    backbone.name: backbone
    for backbone in (
        Backbone("ConvNeXtTiny", 224, "identity"),
        Backbone("ConvNeXtSmall", 224, "identity"),
        Backbone("ConvNeXtBase", 224, "identity"),
        Backbone("ConvNeXtLarge", 224, "identity"),
        Backbone("ConvNeXtXLarge", 224, "identity"),
        Backbone("DenseNet121", 224, "torch"),
        Backbone("DenseNet169", 224, "torch"),
        Backbone("DenseNet201", 224, "torch"),
        Backbone("EfficientNetB0", 224, "identity"),
        Backbone("EfficientNetB1", 240, "identity"),
        Backbone("EfficientNetB2", 260, "identity"),
        Backbone("EfficientNetB3", 300, "identity"),
        Backbone("EfficientNetB4", 380, "identity"),
        Backbone("EfficientNetB5", 456, "identity"),
        Backbone("EfficientNetB6", 528, "identity"),
        Backbone("EfficientNetB7", 600, "identity"),
        Backbone("EfficientNetV2B0", 224, "identity"),
        Backbone("EfficientNetV2B1", 240, "identity"),
        Backbone("EfficientNetV2B2", 260, "identity"),
        Backbone("EfficientNetV2B3", 300, "identity"),
        Backbone("EfficientNetV2S", 384, "identity"),
        Backbone("EfficientNetV2M", 480, "identity"),
        Backbone("EfficientNetV2L", 480, "identity"),
        Backbone("InceptionResNetV2", 299, "tf", min_image_size=75),
        Backbone("InceptionV3", 299, "tf", min_image_size=75),
        Backbone("MobileNet", 224, "tf"),
        Backbone("MobileNetV2", 224, "tf"),
        Backbone("MobileNetV3Large", 224, "identity"),
        Backbone("MobileNetV3Small", 224, "identity"),
        Backbone("NASNetLarge", 331, "tf"),
        Backbone("NASNetMobile", 224, "tf"),
        Backbone("ResNet50", 224, "caffe"),
        Backbone("ResNet101", 224, "caffe"),
        Backbone("ResNet152", 224, "caffe"),
        Backbone("ResNet50V2", 224, "tf"),
        Backbone("ResNet101V2", 224, "tf"),
        Backbone("ResNet152V2", 224, "tf"),
        Backbone("VGG16", 224, "caffe"),
        Backbone("VGG19", 224, "caffe"),
        Backbone("Xception", 299, "tf", min_image_size=71),
    )
}


def find_backbone(name: str) -> Backbone:
    """Returns the row of a backbone.

    Raises:
      ValueError: for an unknown name; the message suggests the nearest.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    by_lower_case = {known.lower(): known for known in BACKBONES}
    nearest = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    suggestion = f" Did you mean {by_lower_case[nearest[0]]}?" if nearest else ""
    raise ValueError(
        f"model.backbone: unknown name {name!r}.{suggestion} `headstart list backbones` shows all of them; "
        "for your own Keras model set model.backbone_file."
    )


def image_size_of(model: Model) -> int:
    """Returns the height and width in pixels that the model sees: the one asked for, else the native one.

    Raises:
      ValueError: when the size is below what Keras builds, or missing for a backbone_file.
    """
    if model.backbone_file is not None:
        if model.image_size is None:
            raise ValueError(
                "model.image_size: missing. With model.backbone_file, set it to the height and width in "
                "pixels that your model expects."
            )
        return model.image_size
    backbone = find_backbone(model.backbone)
    image_size = model.image_size or backbone.native_image_size
    if image_size < backbone.min_image_size:
        raise ValueError(
            f"model.image_size: {image_size} pixels are too few for {backbone.name}. Use "
            f"{backbone.min_image_size} or more; its native size is {backbone.native_image_size}."
        )
    return image_size


def check_model(model: Model) -> None:
    """Checks everything about backbone, size and weights that can be known without TensorFlow.

    Raises:
      StorageError: for a weights file or backbone file at an address that cannot be read.
      ValueError: for an unknown backbone, a size that is too small, or a weights file beside a backbone_file.
      FileNotFoundError: for a weights file or backbone file that does not exist.
    """
    image_size_of(model)
    has_weights_file = model.weights not in ("imagenet", "none")
    if model.backbone_file is not None:
        if has_weights_file:
            raise ValueError(
                f"model.weights: {model.weights!r} cannot be combined with model.backbone_file, which brings "
                "its own weights. Remove one of the two."
            )
        _check_file("model.backbone_file", model.backbone_file)
    elif has_weights_file:
        _check_file("model.weights", model.weights)


def _check_file(option: str, path: str) -> None:
    if is_remote(path):
        try:
            file = location(path)
            with explained(path):
                is_file = file.is_file()
            if not is_file:
                check_access(path)  # a missing bucket is worth another message
        except StorageError as error:
            raise StorageError(f"{option}: {error}") from error
        if not is_file:
            raise FileNotFoundError(f"{option}: there is no file at {path}.")
    elif not os.path.isfile(path):
        raise FileNotFoundError(f"{option}: there is no file {path!r} (looked at {os.path.abspath(path)}).")


def with_local_files(model: Model) -> Model:
    """Returns the model with weights file and backbone file copied to this machine, if they lie elsewhere.

    Raises:
      FileNotFoundError: when there is no such file.
      StorageError: when an address cannot be read.
    """
    return dataclasses.replace(
        model,
        weights=local_copy(model.weights) if is_remote(model.weights) else model.weights,
        backbone_file=model.backbone_file and local_copy(model.backbone_file),
    )


def preprocessing_mode(model: Model) -> PreprocessingMode:
    """Returns the preprocessing that the backbone's weights expect (see preprocess)."""
    if model.backbone_file is not None:
        return model.backbone_preprocessing
    return find_backbone(model.backbone).preprocessing


def preprocess(pixels: "tf.Tensor", mode: PreprocessingMode) -> "tf.Tensor":
    """Scales pixels as a backbone expects them, equal to its preprocess_input in keras.applications.

    Args:
      pixels: float32 [..., height, width, 3], RGB, values in [0, 255].
      mode: identity leaves [0, 255]; unit gives [0, 1]; tf gives [-1, 1]; torch standardises [0, 1] by
        ImageNet's mean and standard deviation; caffe flips to BGR and subtracts ImageNet's mean from
        [0, 255] (keras.applications.imagenet_utils.preprocess_input).

    Raises:
      ValueError: for any other mode.
    """
    if mode == "identity":
        return pixels
    if mode == "unit":
        return pixels / 255.0
    if mode == "tf":
        return pixels / 127.5 - 1.0
    if mode == "torch":
        return (pixels / 255.0 - TORCH_MEAN) / TORCH_STANDARD_DEVIATION
    if mode == "caffe":
        return pixels[..., ::-1] - CAFFE_MEAN
    raise ValueError(
        f"preprocessing: unknown mode {mode!r}. Use one of {typing.get_args(PreprocessingMode)}."
    )


def build_backbone(model: Model, image_size: int) -> "keras.Model":
    """Builds the backbone, from preprocessed images to features, without a head.

    Args:
      model: says which backbone and which weights. A backbone_file keeps the weights that it holds.
      image_size: height and width in pixels of the images it will see.

    Returns:
      A functional model from float32 [batch, image_size, image_size, 3] to a feature map
      [batch, height, width, channels], not pooled; a backbone_file may give [batch, channels] as well.
      The layers are the same whatever the weights, so weights can be copied from one to the other.

    Raises:
      ValueError: when name, size or files do not fit.
      FileNotFoundError: for a file that does not exist.
      ConnectionError: when ImageNet weights could not be downloaded.
    """
    from modules import backbone_network  # imports Keras and TensorFlow

    check_model(dataclasses.replace(model, image_size=image_size))
    if model.backbone_file is not None:
        return backbone_network.load_backbone_file(model.backbone_file, image_size)
    network = backbone_network.build_network(model.backbone, image_size)
    if model.weights == "imagenet":
        backbone_network.download_weights(network, model.backbone, image_size)
    elif model.weights != "none":
        backbone_network.load_weights(network, model.backbone, model.weights)
    return network
