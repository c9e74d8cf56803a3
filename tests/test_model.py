"""The classifier's head, what trains in a stage, and where the graph is cut."""

import keras
import numpy as np
import pytest

from modules.model import (
    FromPixels,
    build_classifier,
    build_head,
    first_trained_layer,
    set_trainable,
    split_for_stage,
)
from modules.recipe import Head, Stage
from modules.strategy import precision
from tests.tiny_training import IMAGE_SIZE, tiny_backbone, tiny_classifier, tiny_images


def names_of_trainable(model) -> set[str]:
    return {layer.name for layer in model.layers if layer.trainable and layer.weights}


def parallel_branches():
    """A stem, then two branches that only meet at the end."""
    images = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3))
    stem = keras.layers.Conv2D(4, 3, strides=4, name="stem")(images)
    left = keras.layers.Conv2D(4, 1, name="left_2")(keras.layers.Conv2D(4, 1, name="left_1")(stem))
    right = keras.layers.Conv2D(4, 1, name="right_2")(keras.layers.Conv2D(4, 1, name="right_1")(stem))
    return keras.Model(images, keras.layers.Concatenate(name="join")([left, right]))


def test_the_head_has_the_configured_layers():
    layers = build_head(Head(dense_units=(16, 8), dropout=0.3, batch_norm=True, l2=0.01), 5, seed=1)
    dropout, dense, norm = keras.layers.Dropout, keras.layers.Dense, keras.layers.BatchNormalization
    assert [type(layer) for layer in layers] == [dropout, dense, norm, dropout, dense, norm, dropout, dense]
    assert [layer.units for layer in layers if isinstance(layer, dense)] == [16, 8, 5]
    assert [layer.rate for layer in layers if isinstance(layer, dropout)] == [0.3, 0.3, 0.3]
    penalties = [float(layer.kernel_regularizer.l2) for layer in layers if isinstance(layer, dense)]
    assert penalties == pytest.approx([0.01] * 3)


def test_the_plain_head_is_dropout_and_logits_without_regularisation():
    dropout, logits = build_head(Head(), 5, seed=1)
    assert (dropout.rate, logits.units, logits.kernel_regularizer) == (0.2, 5, None)


def test_a_seed_decides_the_initial_weights_of_the_head():
    def kernel(seed):
        return build_classifier(tiny_backbone(), Head(), 3, seed).head_layers[-1].kernel.numpy()

    np.testing.assert_array_equal(kernel(1), kernel(1))
    assert np.abs(kernel(1) - kernel(2)).max() > 0.1


def test_a_feature_vector_is_not_pooled():
    images = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3))
    backbone = keras.Model(images, keras.layers.GlobalMaxPooling2D()(keras.layers.Conv2D(6, 3)(images)))
    classifier = build_classifier(backbone, Head(), 3, seed=0)
    assert classifier.head_layers[-1].kernel.shape == (6, 3)
    assert split_for_stage(classifier, Stage(name="s")).cut_layer == backbone.layers[-1].name


@pytest.mark.parametrize(("name", "compute_dtype"), [("float16", "float16"), ("bfloat16", "bfloat16")])
def test_logits_are_float32_in_half_precision(name, compute_dtype):
    with precision(name):
        classifier = tiny_classifier()
    assert classifier.backbone.layers[1].compute_dtype == compute_dtype
    assert classifier.model.outputs[0].dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("train", "position"),
    [("head", 15), ("all", 0), ("top 1 layers", 14), ("top 15 layers", 0), ("from layer two_conv", 9)],
)
def test_what_trains_begins_at_a_layer_of_the_backbone(train, position):
    assert first_trained_layer(tiny_backbone(), train) == position


def test_more_layers_than_the_backbone_has_are_an_error():
    with pytest.raises(ValueError, match='"top 16 layers", but tiny has only 15 layers'):
        first_trained_layer(tiny_backbone(), "top 16 layers")


def test_an_unknown_layer_is_an_error_that_names_near_ones():
    with pytest.raises(ValueError, match=r"no layer of that name\. Near ones: two_conv"):
        first_trained_layer(tiny_backbone(), "from layer two_convv")


CUTS = [
    ("head", "pooled_features"),
    ("top 1 layers", "two_add"),
    ("top 2 layers", "one_add"),  # an Add wants both sides of its block
    ("from layer two_norm", "one_add"),  # inside a block two tensors cross
    ("from layer two_conv", "one_add"),
    ("from layer one_add", "stem_relu"),
    ("from layer stem_relu", "stem_norm"),
    ("all", None),
]


@pytest.mark.parametrize(("train", "cut_layer"), CUTS)
def test_the_cut_is_the_nearest_point_below_that_one_tensor_crosses(train, cut_layer):
    assert split_for_stage(tiny_classifier(), Stage(name="s", train=train)).cut_layer == cut_layer


def test_parallel_branches_are_cut_where_they_part():
    classifier = build_classifier(parallel_branches(), Head(), 3, seed=0)
    assert split_for_stage(classifier, Stage(name="s", train="from layer left_2")).cut_layer == "stem"


@pytest.mark.parametrize("train", [train for train, cut_layer in CUTS if cut_layer])
def test_frozen_part_and_top_together_are_the_classifier(train):
    classifier = tiny_classifier()
    images = np.random.default_rng(0).normal(size=(2, IMAGE_SIZE, IMAGE_SIZE, 3)).astype(np.float32)
    parts = split_for_stage(classifier, Stage(name="s", train=train))
    whole = classifier.model(images, training=False)
    np.testing.assert_allclose(parts.top(parts.frozen(images, training=False)), whole, atol=1e-6)
    assert not parts.frozen.trainable_variables
    assert {id(v) for v in parts.top.trainable_variables} == {
        id(v) for v in classifier.model.trainable_variables
    }


def test_the_head_alone_trains_in_a_head_stage():
    classifier = tiny_classifier()
    set_trainable(classifier, Stage(name="s"))
    assert names_of_trainable(classifier.model) == {"logits"}


def test_top_layers_train_with_the_head_and_without_batch_normalisation():
    classifier = tiny_classifier()
    set_trainable(classifier, Stage(name="s", train="from layer two_conv"))
    assert names_of_trainable(classifier.model) == {"two_conv", "last_conv", "logits"}


def test_batch_normalisation_of_the_trained_layers_trains_on_request():
    classifier = tiny_classifier()
    set_trainable(classifier, Stage(name="s", train="from layer two_conv", batch_norm="update"))
    assert names_of_trainable(classifier.model) == {"two_conv", "two_norm", "last_conv", "logits"}


def test_the_heads_own_batch_normalisation_always_trains():
    classifier = tiny_classifier(Head(dense_units=(4,), batch_norm=True))
    set_trainable(classifier, Stage(name="s"))
    assert names_of_trainable(classifier.model) == {"head_1", "head_1_batch_norm", "logits"}


def test_a_later_stage_can_freeze_again():
    classifier = tiny_classifier()
    set_trainable(classifier, Stage(name="first", train="all", batch_norm="update"))
    set_trainable(classifier, Stage(name="second", train="head"))
    assert names_of_trainable(classifier.model) == {"logits"}


def test_batch_normalisation_inside_a_nested_model_is_frozen_too():
    inner = tiny_backbone()
    backbone = keras.Model(inner.inputs[0], inner(inner.inputs[0]))
    classifier = build_classifier(backbone, Head(), 3, seed=0)
    set_trainable(classifier, Stage(name="s", train="all"))
    norms = [layer for layer in inner.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert [layer.trainable for layer in norms] == [False] * 3
    assert inner.get_layer("two_conv").trainable


def test_pixels_are_preprocessed_before_the_frozen_part():
    classifier = tiny_classifier()
    pixels = tiny_images(3, seed=1).pixels
    parts = split_for_stage(classifier, Stage(name="s", train="top 1 layers"))
    expected = classifier.model(pixels.astype(np.float32) / 127.5 - 1, training=False)
    logits = FromPixels("tf", parts.frozen, parts.top)(pixels)
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_the_frozen_part_runs_in_inference_mode_even_in_training():
    classifier = tiny_classifier(Head(dropout=0.0), dropout=0.5)
    pixels = tiny_images(3, seed=1).pixels
    parts = split_for_stage(classifier, Stage(name="s"))
    model = FromPixels("tf", parts.frozen, parts.top)
    np.testing.assert_array_equal(model(pixels, training=True), model(pixels, training=False))
