"""What a recipe says: stages, head and model, as settings. Imports no TensorFlow."""

import re
from typing import Annotated, Literal, Optional, Union

from pydantic import AfterValidator, Field, model_validator

from modules.labels import normalise_label
from modules.settings import settings

Share = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0.0)]
NonNegativeFloat = Annotated[float, Field(ge=0.0)]


def check_trainable(trainable: str) -> str:
    """Returns the text unchanged when it names what a stage can train.

    Raises:
      ValueError: for anything but "head", "all", "top N layers" and "from layer NAME".
    """
    if trainable in ("head", "all"):
        return trainable
    if re.fullmatch(r"top [1-9]\d* layers", trainable) or re.fullmatch(r"from layer \S+", trainable):
        return trainable
    raise ValueError('use "head", "all", "top N layers" (such as "top 54 layers") or "from layer NAME"')


def by_class(weights: dict[str, float]) -> dict[str, float]:
    """Returns the weights by the names that the classes have in the data.

    Raises:
      ValueError: for a key that cannot be a class name, and for two that are the same class.
    """
    normalised = {}
    for name, weight in weights.items():
        label = normalise_label(name)
        if label in normalised:
            raise ValueError(f"two keys name the class {label!r}; keep one")
        normalised[label] = weight
    return normalised


ClassWeights = Annotated[dict[str, PositiveFloat], AfterValidator(by_class)]


@settings
class EarlyStopping:
    monitor: Literal["val_loss", "val_accuracy"] = "val_loss"
    """The quantity watched on the eval split: val_loss (lower is better) or val_accuracy (higher is better)."""
    patience: PositiveInt = 3
    """Epochs without improvement before the stage ends."""
    min_delta: NonNegativeFloat = 0.0
    """Smallest change that counts as an improvement, in the unit of the monitored quantity."""


@settings
class ReduceOnPlateau:
    monitor: Literal["val_loss", "val_accuracy"] = "val_loss"
    """The quantity watched on the eval split."""
    patience: PositiveInt = 2
    """Epochs without improvement before the learning rate is reduced."""
    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """The learning rate is multiplied by this."""


@settings
class Augmentation:
    flip_horizontal: bool = False
    """Mirror half of the images left to right."""
    flip_vertical: bool = False
    """Mirror half of the images top to bottom."""
    shift: Share = 0.0
    """Largest random shift in each direction, as a share of the image side."""
    zoom: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest random zoom in or out, as a share: 0.1 scales by 0.9 to 1.1."""
    rotation_degrees: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    """Largest random rotation either way, in degrees."""
    brightness: Share = 0.0
    """Largest random change of brightness, as a share of the full range of 255."""
    contrast: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest random change of contrast: 0.2 scales the distance to the mean by 0.8 to 1.2."""

    @property
    def is_random(self) -> bool:
        """True when any augmentation is switched on."""
        return self != Augmentation()


@settings
class Stage:
    name: str
    """Name of the stage in logs, TensorBoard and the report, such as head or fine_tuning."""
    train: Annotated[str, AfterValidator(check_trainable)] = "head"
    """What trains: head, all, "top N layers" of the backbone (and the head), or "from layer NAME" upwards."""
    epochs: PositiveInt = 10
    """Largest number of passes over the train split."""
    learning_rate: PositiveFloat = 1e-3
    """Peak learning rate of the optimizer."""
    schedule: Literal["constant", "exponential", "cosine"] = "constant"
    """Course of the learning rate over the stage: constant, exponential (down to a hundredth) or cosine (down to zero)."""
    warmup_epochs: NonNegativeFloat = 0.0
    """Epochs over which the learning rate rises linearly from zero to its peak; may be a fraction."""
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    """adam, adamw, sgd (Nesterov momentum 0.9) or rmsprop."""
    weight_decay: NonNegativeFloat = 0.0
    """Decoupled weight decay a step; biases and normalisation layers are left out."""
    early_stopping: Optional[EarlyStopping] = None
    """Stop the stage when the eval split no longer improves, and keep the best weights."""
    reduce_on_plateau: Optional[ReduceOnPlateau] = None
    """Reduce a constant learning rate when the eval split no longer improves."""
    augmentation: Augmentation = Augmentation()
    """Random changes of the training images. Without any, the frozen layers are computed only once."""
    batch_norm: Literal["frozen", "update"] = "frozen"
    """frozen keeps the backbone's BatchNormalization in inference mode; update trains it on batch statistics."""

    @model_validator(mode="after")
    def _only_a_constant_rate_can_be_reduced(self):
        if self.reduce_on_plateau is not None and (self.schedule != "constant" or self.warmup_epochs):
            raise ValueError(
                f"reduce_on_plateau needs a learning rate that nothing else changes, but schedule is "
                f"{self.schedule} with {self.warmup_epochs:g} warmup_epochs. Remove reduce_on_plateau, or use "
                "schedule: constant with warmup_epochs: 0"
            )
        return self


@settings
class Head:
    dense_units: tuple[PositiveInt, ...] = ()
    """Sizes of hidden dense layers between the pooled features and the logits, such as [256]."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.2
    """Share of features dropped before each dense layer while training."""
    batch_norm: bool = False
    """Put a BatchNormalization after each hidden dense layer."""
    l1: NonNegativeFloat = 0.0
    """L1 regularisation of the head's kernels."""
    l2: NonNegativeFloat = 0.0
    """L2 regularisation of the head's kernels."""


@settings
class Resize:
    method: Literal["nearest", "bilinear", "bicubic", "area", "lanczos3"] = "bilinear"
    """Interpolation, as tf.image.resize names it; shrinking is antialiased."""
    aspect: Literal["stretch", "crop", "pad"] = "stretch"
    """stretch to the square, crop its centre after scaling the shorter side, or pad with black after scaling the longer."""


@settings
class Model:
    backbone: str = "MobileNetV2"
    """Name of a model of keras.applications; `headstart list backbones` shows them. Ignored with backbone_file."""
    backbone_file: Optional[str] = None
    """Path of your own Keras model (.keras) from image to feature map or feature vector, instead of a named backbone."""
    backbone_preprocessing: Literal["identity", "unit", "tf", "torch", "caffe"] = "identity"
    """Input that backbone_file expects: identity (0 to 255), unit (0 to 1), tf (-1 to 1), torch or caffe, as Keras names them."""
    weights: str = "imagenet"
    """imagenet (Keras downloads them), none (random), or the path of a weights file."""
    image_size: Optional[Annotated[int, Field(ge=32, le=2048)]] = None
    """Height and width in pixels that the model sees; by default the backbone's native size."""
    resize: Resize = Resize()
    """How images of other sizes become image_size."""
    head: Head = Head()
    """The layers on top of the backbone."""


@settings
class Training:
    recipe: Union[str, tuple[Stage, ...]] = "fine_tuning"
    """Name of a ready recipe (feature_extraction, fine_tuning), or a list of stages of your own."""
    batch_size: PositiveInt = 32
    """Images a step, over all devices together."""
    seed: int = 42
    """Seed of initial weights, order and augmentation; two runs with one seed are equal on CPU."""
    class_weights: Union[Literal["none", "balanced"], ClassWeights] = "none"
    """none, balanced (inverse to the class's share), or a weight for each class by name."""
    distribution: Literal["none", "mirrored", "tpu"] = "none"
    """none (one device), mirrored (all GPUs of the machine) or tpu."""
    mixed_precision: Literal["none", "float16", "bfloat16"] = "none"
    """Compute in half precision: float16 on GPUs since Volta, bfloat16 on TPUs and newer GPUs."""
    store: Literal["auto", "memory", "disk"] = "auto"
    """Where pixels and activations of a stage are kept: auto chooses memory when they fit into a quarter of what is free."""
