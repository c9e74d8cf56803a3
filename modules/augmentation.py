"""Random changes of training images: one affine warp, then brightness and contrast.

Every image has its own seed, so what happens to it depends neither on its batch nor on the threads
that prepare batches.
"""

import math

import tensorflow as tf

from modules.recipe import Augmentation

# Columns of the random numbers. Each augmentation keeps its own, so that switching one on or off
# leaves the others as they were.
FLIP_HORIZONTAL, FLIP_VERTICAL, SHIFT_X, SHIFT_Y, ZOOM, ROTATION, BRIGHTNESS, CONTRAST = range(8)


def augment(pixels: tf.Tensor, augmentation: Augmentation, seeds: tf.Tensor) -> tf.Tensor:
    """Changes each image at random, the same way for the same seed.

    Flip, zoom and rotation happen about the centre, then the shift. What comes in from outside is the
    image mirrored at its edge; values between pixels are interpolated bilinearly.

    Args:
      pixels: float32 [batch, height, width, 3], values in [0, 255].
      augmentation: which changes, and how large.
      seeds: int32 or int64 [batch, 2].

    Returns:
      float32 [batch, height, width, 3], values in [0, 255]; the pixels themselves when nothing is on.
    """
    if not augmentation.is_random:
        return pixels
    draws = tf.map_fn(
        # From -1 to 1, one number for each column above.
        lambda seed: tf.random.stateless_uniform([8], seed, minval=-1.0),
        seeds,
        fn_output_signature=tf.TensorSpec([8], tf.float32),
    )
    draws = tf.unstack(draws, axis=1)
    if needs_warp(augmentation):
        pixels = warp(pixels, transforms(augmentation, draws, tf.shape(pixels)))
    if augmentation.brightness:
        pixels = change_brightness(pixels, augmentation.brightness * draws[BRIGHTNESS])
    if augmentation.contrast:
        pixels = change_contrast(pixels, 1.0 + augmentation.contrast * draws[CONTRAST])
    return tf.clip_by_value(pixels, 0.0, 255.0)


def needs_warp(augmentation: Augmentation) -> bool:
    """True when a change moves pixels; without one the warp would cost time and do nothing."""
    return bool(
        augmentation.flip_horizontal
        or augmentation.flip_vertical
        or augmentation.shift
        or augmentation.zoom
        or augmentation.rotation_degrees
    )


def transforms(augmentation: Augmentation, draws: list[tf.Tensor], shape: tf.Tensor) -> tf.Tensor:
    """Returns the affine maps from a place in the result to the place in the image that it shows.

    Args:
      augmentation: says how large the changes may be.
      draws: float32 [batch] from -1 to 1, one for each column.
      shape: int32 [4], of the images.

    Returns:
      float32 [batch, 8] as tf.raw_ops.ImageProjectiveTransformV3 takes them: a0 a1 a2 b0 b1 b2 0 0 for
      (a0 x + a1 y + a2, b0 x + b1 y + b2), in pixels from the upper left pixel's centre.
    """
    height, width = tf.unstack(tf.cast(shape[1:3], tf.float32))
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    ones = tf.ones_like(draws[0])
    flip_x = tf.where(draws[FLIP_HORIZONTAL] < 0, -ones, ones) if augmentation.flip_horizontal else ones
    flip_y = tf.where(draws[FLIP_VERTICAL] < 0, -ones, ones) if augmentation.flip_vertical else ones
    zoom = 1.0 + augmentation.zoom * draws[ZOOM]
    angle = math.radians(augmentation.rotation_degrees) * draws[ROTATION]
    cosine, sine = tf.cos(angle) / zoom, tf.sin(angle) / zoom
    # The result's centre, moved by the shift, shows the image's centre.
    moved_x = centre_x + augmentation.shift * width * draws[SHIFT_X]
    moved_y = centre_y + augmentation.shift * height * draws[SHIFT_Y]
    a0, a1 = flip_x * cosine, flip_x * sine
    b0, b1 = -flip_y * sine, flip_y * cosine
    a2 = centre_x - a0 * moved_x - a1 * moved_y
    b2 = centre_y - b0 * moved_x - b1 * moved_y
    zeros = tf.zeros_like(ones)
    return tf.stack([a0, a1, a2, b0, b1, b2, zeros, zeros], axis=1)


def warp(pixels: tf.Tensor, transforms: tf.Tensor) -> tf.Tensor:
    """Applies to each image [batch, height, width, channels] its own affine map, float32 [batch, 8]."""
    warped = tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=transforms,
        output_shape=tf.shape(pixels)[1:3],
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )
    return tf.ensure_shape(warped, pixels.shape)


def change_brightness(pixels: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    """Adds a share of the full range, float32 [batch] from -1 to 1, to every value; not clipped."""
    return pixels + 255.0 * change[:, tf.newaxis, tf.newaxis, tf.newaxis]


def change_contrast(pixels: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Scales the distance to each channel's mean, as tf.image.adjust_contrast, by factors float32 [batch]."""
    mean = tf.reduce_mean(pixels, axis=[1, 2], keepdims=True)
    return mean + (pixels - mean) * factors[:, tf.newaxis, tf.newaxis, tf.newaxis]
