"""The classifier: a backbone with a head, which of its layers train, and its two parts in a stage."""

import difflib
from dataclasses import dataclass
from typing import Optional

import keras

from modules.backbones import preprocess
from modules.cut import layer_that_makes, nearest_cut_below
from modules.recipe import Head, Stage


@dataclass(frozen=True)
class Classifier:
    """A model from preprocessed images to logits, and the parts of it that stages speak of."""

    model: keras.Model  # float32 [batch, size, size, 3] -> float32 [batch, classes]
    backbone: keras.Model
    head_layers: tuple[keras.layers.Layer, ...]  # everything after the pooled features


@dataclass(frozen=True)
class StageParts:
    """A classifier in two: `top(frozen(images))` are the logits, and only `top` changes in the stage."""

    frozen: Optional[keras.Model]  # None when training begins at the input
    top: keras.Model
    cut_layer: Optional[str]  # name of the layer whose output is handed from frozen to top


def build_classifier(backbone: keras.Model, head: Head, num_classes: int, seed: int) -> Classifier:
    """Puts pooling and a head with float32 logits on a backbone.

    Args:
      backbone: a functional model from images to a feature map [batch, height, width, channels], which is
        averaged over positions, or to a feature vector [batch, channels].
      seed: of the head's initial weights and of its dropout.
    """
    features = backbone.outputs[0]
    if len(features.shape) == 4:
        features = keras.layers.GlobalAveragePooling2D(name="pooled_features")(features)
    head_layers = build_head(head, num_classes, seed)
    logits = features
    for layer in head_layers:
        logits = layer(logits)
    return Classifier(keras.Model(backbone.inputs[0], logits, name="classifier"), backbone, head_layers)


def build_head(head: Head, num_classes: int, seed: int) -> tuple[keras.layers.Layer, ...]:
    """Returns the layers from features to logits: hidden dense layers as configured, then the classes."""
    regularizer = keras.regularizers.L1L2(l1=head.l1, l2=head.l2) if head.l1 or head.l2 else None

    def dense(units, number, **options):
        initializer = keras.initializers.GlorotUniform(seed=seed + number)
        return keras.layers.Dense(
            units, kernel_initializer=initializer, kernel_regularizer=regularizer, **options
        )

    layers = []
    for number, units in enumerate(head.dense_units):
        layers.append(keras.layers.Dropout(head.dropout, seed=seed + number))
        layers.append(dense(units, number, activation="relu", name=f"head_{number + 1}"))
        if head.batch_norm:
            layers.append(keras.layers.BatchNormalization(name=f"head_{number + 1}_batch_norm"))
    last = len(head.dense_units)
    layers.append(keras.layers.Dropout(head.dropout, seed=seed + last))
    # Half precision is too coarse for a cross-entropy: the logits are float32 under every policy.
    layers.append(dense(num_classes, last, dtype="float32", name="logits"))
    return tuple(layers)


def first_trained_layer(backbone: keras.Model, train: str) -> int:
    """Returns the position in `backbone.layers` from which on layers train; their number when none does.

    Args:
      train: head, all, "top N layers" or "from layer NAME", as modules.recipe.check_trainable allows.

    Raises:
      ValueError: when the backbone has fewer than N layers, or none of that name.
    """
    names = [layer.name for layer in backbone.layers]
    if train == "head":
        return len(names)
    if train == "all":
        return 0
    if train.startswith("top "):
        count = int(train.split()[1])
        if count > len(names):
            raise ValueError(
                f'training.recipe: train: "{train}", but {backbone.name} has only {len(names)} layers. '
                'Use a smaller number, or "all".'
            )
        return len(names) - count
    name = train.removeprefix("from layer ")
    if name not in names:
        nearest = difflib.get_close_matches(name, names, n=5, cutoff=0.3) or names[-5:]
        raise ValueError(
            f'training.recipe: train: "{train}", but the backbone {backbone.name} has no layer of that name. '
            f"Near ones: {', '.join(nearest)}."
        )
    return names.index(name)


def set_trainable(classifier: Classifier, stage: Stage) -> None:
    """Makes the head and the stage's layers of the backbone trainable, and nothing else.

    The backbone's BatchNormalization is made untrainable, which is what keeps it in inference mode: Keras 3
    overrides `training=False` inside a functional model. Only `batch_norm: update` lets it train.
    """
    first = first_trained_layer(classifier.backbone, stage.train)
    for position, layer in enumerate(classifier.backbone.layers):
        layer.trainable = position >= first
    if stage.batch_norm == "frozen":
        for layer in classifier.backbone._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False


def split_for_stage(classifier: Classifier, stage: Stage) -> StageParts:
    """Sets what trains in the stage, and cuts the classifier at the nearest point below.

    Layers between the cut and the first trained one lie in `top` and keep their weights.
    """
    set_trainable(classifier, stage)
    first = first_trained_layer(classifier.backbone, stage.train)
    trained = [*classifier.backbone.layers[first:], *classifier.head_layers]
    cut = nearest_cut_below(classifier.model, trained)
    images, logits = classifier.model.inputs[0], classifier.model.outputs[0]
    top = keras.Model(cut, logits, name="top")
    if cut is images:
        return StageParts(None, top, None)
    return StageParts(keras.Model(images, cut, name="frozen"), top, layer_that_makes(cut))


class FromPixels(keras.Model):
    """A stage's parts on pixels: preprocessing, the frozen part in inference mode, then the top."""

    def __init__(self, preprocessing: str, frozen: Optional[keras.Model], top: Optional[keras.Model]):
        """
        Args:
          preprocessing: mode of modules.backbones.preprocess.
          frozen, top: as in StageParts; None leaves the part out.
        """
        super().__init__(autocast=False)  # half precision would round augmented pixels before preprocessing
        self.preprocessing = preprocessing
        self.frozen = frozen
        self.top = top

    def call(self, pixels, training=False):
        """Returns logits (or frozen features without a top) of pixels [batch, size, size, 3] in [0, 255]."""
        outputs = preprocess(keras.ops.cast(pixels, "float32"), self.preprocessing)
        if self.frozen is not None:
            outputs = self.frozen(outputs, training=False)
        return outputs if self.top is None else self.top(outputs, training=training)
