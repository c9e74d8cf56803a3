"""Batches come in an order that depends on seed, stage and epoch alone."""

from functools import partial

import numpy as np
import pytest

from modules.batches import epoch_order, evaluation_batches, steps_per_epoch, training_batches
from modules.class_weights import class_weights_of
from modules.recipe import Augmentation

IMAGES = np.arange(10 * 4 * 4 * 3, dtype=np.uint8).reshape(10, 4, 4, 3)
LABELS = np.arange(10)


def batches_of(epochs, inputs=IMAGES, class_weights=None, augmentation=Augmentation(), replicas=1, size=4):  # noqa: B008
    return list(
        training_batches(
            inputs,
            LABELS,
            class_weights,
            augmentation=augmentation,
            batch_size=size,
            replicas=replicas,
            order_of_epoch=partial(epoch_order, 7, 0, count=10),
            epochs=epochs,
        ).as_numpy_iterator()
    )


def labels_of(batches) -> list[int]:
    return [label for batch in batches for label in batch[1]]


def test_every_epoch_has_every_image_once_in_another_order():
    first, second = labels_of(batches_of(range(1))), labels_of(batches_of(range(1, 2)))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


@pytest.mark.parametrize("change", [(8, 0, 0), (7, 1, 0), (7, 0, 1), (-7, 0, 0)])
def test_the_order_depends_on_seed_stage_and_epoch(change):
    order, seeds = epoch_order(7, 0, 0, 100)
    other_order, other_seeds = epoch_order(*change, 100)
    assert list(order) != list(other_order)
    assert not np.array_equal(seeds, other_seeds)
    np.testing.assert_array_equal(order, epoch_order(7, 0, 0, 100)[0])


def test_epochs_follow_one_another_and_can_begin_anywhere():
    whole = batches_of(range(3))
    assert [len(batch[1]) for batch in whole] == [4, 4, 2] * 3
    assert labels_of(whole[3:]) == labels_of(batches_of(range(1, 3)))


def test_inputs_stay_with_their_labels():
    for images, labels in batches_of(range(1)):
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images, IMAGES[labels])


def test_activations_are_batched_as_they_are():
    activations = np.random.default_rng(0).normal(size=(10, 5)).astype(np.float16)
    for inputs, labels in batches_of(range(1), inputs=activations):
        assert inputs.dtype == np.float16
        np.testing.assert_array_equal(inputs, activations[labels])


def test_augmentation_changes_an_image_in_another_way_every_epoch():
    augmentation = Augmentation(brightness=0.5)

    def image_of(epoch):
        batches = batches_of(range(epoch, epoch + 1), augmentation=augmentation)
        return next(x[i] for x, y in batches for i, label in enumerate(y) if label == 3)

    assert image_of(0).dtype == np.float32
    np.testing.assert_array_equal(image_of(0), image_of(0))
    assert not np.array_equal(image_of(0), image_of(1))


def test_class_weights_become_a_weight_for_each_image():
    weights = np.arange(10, dtype=np.float32) / 10
    for _, labels, weight in batches_of(range(1), class_weights=weights):
        np.testing.assert_allclose(weight, labels / 10)


@pytest.mark.parametrize(("replicas", "sizes"), [(1, [4, 4, 2]), (2, [4, 4, 2]), (4, [4, 4, 4])])
def test_the_last_batch_is_filled_up_to_the_number_of_devices(replicas, sizes):
    batches = batches_of(range(1), replicas=replicas)
    assert [len(labels) for _, labels in batches] == sizes
    assert labels_of(batches)[10:] == labels_of(batches)[: sum(sizes) - 10]


@pytest.mark.parametrize(("count", "batch_size", "steps"), [(10, 4, 3), (8, 4, 2), (1, 4, 1)])
def test_an_epoch_has_as_many_steps_as_batches(count, batch_size, steps):
    assert steps_per_epoch(count, batch_size) == steps


@pytest.mark.parametrize(("replicas", "images"), [(1, 10), (3, 9), (4, 8), (11, 10)])
def test_evaluation_keeps_the_order_and_gives_every_device_its_share(replicas, images):
    batches = list(evaluation_batches(IMAGES, LABELS, 4, replicas).as_numpy_iterator())
    assert labels_of(batches) == list(range(images))
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), IMAGES[:images])


def test_balanced_class_weights_are_inverse_to_the_share_of_the_class():
    labels = np.array([0] * 6 + [1] * 2)
    weights = class_weights_of("balanced", labels, ("a", "b"))
    np.testing.assert_allclose(weights, [8 / (2 * 6), 8 / (2 * 2)])
    assert weights[labels].mean() == pytest.approx(1.0)


def test_named_class_weights_leave_other_classes_at_one():
    np.testing.assert_allclose(class_weights_of({"b": 3.0}, np.array([0, 1]), ("a", "b")), [1, 3])
    assert class_weights_of("none", np.array([0, 1]), ("a", "b")) is None


def test_a_weight_for_an_unknown_class_is_an_error():
    with pytest.raises(ValueError, match="no class is named cat"):
        class_weights_of({"cat": 2.0}, np.array([0]), ("a", "b"))
