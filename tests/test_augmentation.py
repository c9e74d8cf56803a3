"""Augmentation moves known pixels to known places, and depends on nothing but an image's seed."""

import numpy as np
import pytest
import tensorflow as tf

from modules.augmentation import (
    FLIP_HORIZONTAL,
    FLIP_VERTICAL,
    ROTATION,
    SHIFT_X,
    SHIFT_Y,
    ZOOM,
    augment,
    change_brightness,
    change_contrast,
    transforms,
    warp,
)
from modules.recipe import Augmentation

EVERYTHING = Augmentation(
    flip_horizontal=True,
    flip_vertical=True,
    shift=0.1,
    zoom=0.2,
    rotation_degrees=30,
    brightness=0.2,
    contrast=0.3,
)


def random_images(count: int, size: int = 16) -> tf.Tensor:
    return tf.constant(np.random.default_rng(3).uniform(0, 255, (count, size, size, 3)), tf.float32)


def seeds_of(count: int) -> tf.Tensor:
    return tf.stack([tf.fill([count], 42), tf.range(count)], axis=1)


def dot(size: int, x: int, y: int) -> np.ndarray:
    image = np.zeros((1, size, size, 3), np.float32)
    image[0, y, x] = 255
    return image


def place_of_the_dot(image) -> tuple[int, int]:
    y, x = np.unravel_index(np.argmax(image[0, :, :, 0]), image.shape[1:3])
    assert image[0, y, x, 0] == pytest.approx(255, abs=0.1)
    return int(x), int(y)


def warped(images, augmentation: Augmentation, draws: dict[int, float]):
    """The warp with chosen instead of random numbers, from -1 to 1."""
    columns = {FLIP_HORIZONTAL: 1, FLIP_VERTICAL: 1} | draws
    chosen = [tf.fill([len(images)], float(columns.get(column, 0))) for column in range(8)]
    return warp(tf.constant(images), transforms(augmentation, chosen, tf.shape(images))).numpy()


def test_nothing_switched_on_returns_the_pixels_themselves():
    images = random_images(2)

    assert augment(images, Augmentation(), seeds_of(2)) is images


def test_a_full_shift_right_and_half_a_shift_up_move_a_dot_by_that_share_of_the_side():
    moved = warped(dot(20, x=9, y=9), Augmentation(shift=0.2), {SHIFT_X: 1, SHIFT_Y: -0.5})

    assert place_of_the_dot(moved) == (9 + 4, 9 - 2)


def test_a_shift_mirrors_the_image_at_its_edge():
    row = np.arange(10, dtype=np.float32)
    images = np.broadcast_to(row[None, None, :, None], (1, 10, 10, 3)).copy()

    moved = warped(images, Augmentation(shift=0.3), {SHIFT_X: 1})

    np.testing.assert_allclose(moved[0, 0, :, 0], [2, 1, 0, 0, 1, 2, 3, 4, 5, 6], atol=1e-4)


def test_flips_are_exact():
    images = random_images(1).numpy()
    both = Augmentation(flip_horizontal=True, flip_vertical=True)

    np.testing.assert_allclose(warped(images, both, {FLIP_HORIZONTAL: -1}), images[:, :, ::-1], atol=1e-3)
    np.testing.assert_allclose(warped(images, both, {FLIP_VERTICAL: -1}), images[:, ::-1], atol=1e-3)
    np.testing.assert_allclose(warped(images, both, {}), images, atol=1e-3)


def test_a_quarter_turn_is_clockwise_about_the_centre():
    turned = warped(random_images(1).numpy(), Augmentation(rotation_degrees=90), {ROTATION: 1})

    np.testing.assert_allclose(turned, np.rot90(random_images(1), k=-1, axes=(1, 2)), atol=1e-2)


def test_zooming_in_moves_a_dot_away_from_the_centre():
    enlarged = warped(dot(21, x=14, y=10), Augmentation(zoom=0.5), {ZOOM: 1})

    assert place_of_the_dot(enlarged) == (10 + 6, 10)


def test_zooming_out_moves_a_dot_towards_the_centre():
    shrunk = warped(dot(21, x=18, y=10), Augmentation(zoom=0.5), {ZOOM: -1})

    assert place_of_the_dot(shrunk) == (10 + 4, 10)


def test_a_shift_moves_by_its_share_whatever_the_zoom():
    moved = warped(dot(21, x=10, y=10), Augmentation(zoom=0.5, shift=1 / 21), {ZOOM: 1, SHIFT_X: 1})

    assert place_of_the_dot(moved) == (11, 10)


def test_brightness_adds_a_share_of_the_full_range():
    pixels = tf.fill([2, 2, 2, 3], 100.0)

    brighter = change_brightness(pixels, tf.constant([0.1, -0.2]))

    np.testing.assert_allclose(brighter[:, 0, 0, 0], [125.5, 49.0], atol=1e-4)


def test_contrast_scales_the_distance_to_the_mean():
    pixels = tf.constant([90.0, 110.0])[tf.newaxis, :, tf.newaxis, tf.newaxis] * tf.ones([1, 2, 2, 3])

    np.testing.assert_allclose(
        change_contrast(pixels, tf.constant([1.5]))[0, :, 0, 0], [85.0, 115.0], atol=1e-4
    )


def test_random_flips_mirror_about_half_of_the_images_and_leave_the_others():
    images = random_images(200, size=4)

    flipped = augment(images, Augmentation(flip_horizontal=True), seeds_of(200)).numpy()

    is_same = np.isclose(flipped, images, atol=1e-3).all(axis=(1, 2, 3))
    is_mirrored = np.isclose(flipped, images[:, :, ::-1], atol=1e-3).all(axis=(1, 2, 3))
    assert (is_same ^ is_mirrored).all()
    assert 70 < is_mirrored.sum() < 130


def test_random_shifts_spread_over_both_directions_up_to_the_limit():
    images = tf.constant(np.repeat(dot(21, x=10, y=10), 300, axis=0))

    shifted = augment(images, Augmentation(shift=0.2), seeds_of(300)).numpy()[..., 0]

    # The centre of mass is exact where bilinear interpolation has spread the dot.
    x = (shifted.sum(axis=1) @ np.arange(21)) / shifted.sum(axis=(1, 2)) - 10
    limit = 0.2 * 21
    assert x.min() < -0.9 * limit
    assert x.max() > 0.9 * limit
    assert np.abs(x).max() <= limit + 1e-3
    assert abs(x.mean()) < 0.5


@pytest.mark.parametrize(
    "augmentation", [Augmentation(brightness=1.0), Augmentation(contrast=0.9), EVERYTHING]
)
def test_values_stay_between_0_and_255(augmentation):
    changed = augment(random_images(32), augmentation, seeds_of(32)).numpy()

    assert changed.min() >= 0
    assert changed.max() <= 255


@pytest.mark.parametrize(
    "option",
    [
        {"flip_vertical": True},
        {"zoom": 0.3},
        {"rotation_degrees": 20},
        {"brightness": 0.2},
        {"contrast": 0.3},
    ],
)
def test_every_option_changes_images(option):
    images = random_images(8)

    changed = augment(images, Augmentation(**option), seeds_of(8)).numpy()

    assert not np.allclose(changed, images, atol=0.5)


def test_one_seed_gives_one_result_and_another_seed_another():
    images = random_images(4)

    once, again = (augment(images, EVERYTHING, seeds_of(4)).numpy() for _ in range(2))
    other = augment(images, EVERYTHING, seeds_of(4) + 1000).numpy()

    np.testing.assert_array_equal(once, again)
    assert not np.allclose(once, other, atol=1)


def test_an_image_s_augmentation_does_not_depend_on_the_rest_of_its_batch():
    images, seeds = random_images(6), seeds_of(6)

    together = augment(images, EVERYTHING, seeds).numpy()

    for index in range(6):
        alone = augment(images[index : index + 1], EVERYTHING, seeds[index : index + 1]).numpy()
        np.testing.assert_allclose(alone[0], together[index], atol=1e-4)


def test_switching_one_augmentation_off_leaves_the_draws_of_the_others():
    images = random_images(6)
    with_contrast = augment(images, Augmentation(shift=0.1, contrast=1e-7), seeds_of(6))

    np.testing.assert_allclose(
        augment(images, Augmentation(shift=0.1), seeds_of(6)), with_contrast, atol=1e-3
    )


def test_parallel_preparation_in_tf_data_gives_the_same_images_as_eager_calls():
    images, seeds = random_images(32), seeds_of(32)
    dataset = tf.data.Dataset.from_tensor_slices((images, seeds)).batch(8)

    prepared = dataset.map(lambda x, seed: augment(x, EVERYTHING, seed), num_parallel_calls=4)

    np.testing.assert_allclose(np.concatenate(list(prepared)), augment(images, EVERYTHING, seeds), atol=1e-3)
    np.testing.assert_array_equal(np.concatenate(list(prepared)), np.concatenate(list(prepared)))
