"""From encoded image bytes to pixels of one size, as TensorFlow ops that travel inside the model.

The functions work eagerly and in graphs, so training, evaluation and serving share them. No operation
is stateful (tf.image's croppings and paddings are, by their assertions): a stateful one would run even
where its result is not wanted, and images would be decoded just to look at labels.
"""

import tensorflow as tf

from modules.encoded_images import examine, refuse_misread
from modules.recipe import Resize

# map_fn over images of a batch: more at a time gains nothing on the machines tried.
PARALLEL_IMAGES = 16


# One function, so that a graph which is traced again and again, as Transform's is ten times, calls what was
# traced once; autograph would only read it again.
@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
def decode_image(contents: tf.Tensor) -> tf.Tensor:
    """Decodes one image and turns it upright.

    Args:
      contents: string scalar, a whole JPEG, PNG, GIF (the first frame counts) or BMP file.

    Returns:
      uint8 [height, width, 3], RGB, in the orientation that the photographer saw (the Exif tag of a JPEG or
      PNG). Transparency is dropped: a pixel has the colour that the file gives it.

    Raises:
      tf.errors.InvalidArgumentError: when the bytes are not such an image, or TensorFlow would misread it.
    """
    examined = examine(contents)
    pixels = tf.io.decode_image(refuse_misread(examined), channels=3, expand_animations=False)
    pixels.set_shape([None, None, 3])
    return apply_orientation(pixels, examined.orientation)


def apply_orientation(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns and mirrors an image so that an Exif orientation becomes upright.

    Args:
      pixels: [height, width, channels].
      orientation: int32 scalar from 1 to 8 (Exif 2.32, 4.6.4 A).

    Returns:
      The pixels; height and width are swapped for orientations 5 to 8.
    """
    return tf.cond(orientation == 1, lambda: pixels, lambda: _turn(pixels, orientation))


def _turn(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    is_transposed = orientation >= 5
    is_mirrored_left_right = tf.reduce_any(orientation == [2, 3, 6, 7])
    is_mirrored_up_down = tf.reduce_any(orientation == [3, 4, 7, 8])
    pixels = tf.cond(is_transposed, lambda: tf.transpose(pixels, [1, 0, 2]), lambda: pixels)
    pixels = tf.cond(is_mirrored_left_right, lambda: pixels[:, ::-1], lambda: pixels)
    return tf.cond(is_mirrored_up_down, lambda: pixels[::-1], lambda: pixels)


def resize(pixels: tf.Tensor, image_size: int, settings: Resize) -> tf.Tensor:
    """Scales an image to a square, by the method and the aspect policy of the settings.

    Shrinking is antialiased (tf.image.resize), except by nearest and area, which need no filter.

    Args:
      pixels: uint8 [height, width, 3].
      image_size: height and width of the result in pixels.
      settings: stretch ignores the aspect ratio; crop keeps the largest centred square; pad keeps
        the whole image and centres it on black.

    Returns:
      uint8 [image_size, image_size, 3], rounded to the nearest value.
    """
    if settings.aspect == "crop":
        pixels = _central_square(pixels)
    if settings.aspect == "pad":
        resized = _pad_to_square(_scale(pixels, _fitting_shape(pixels, image_size), settings.method))
    else:
        resized = _scale(pixels, tf.constant([image_size, image_size]), settings.method)
    return tf.ensure_shape(resized, [image_size, image_size, 3])


def decode_and_resize_batch(contents: tf.Tensor, image_size: int, settings: Resize) -> tf.Tensor:
    """Decodes and resizes a batch of images of any sizes.

    Args:
      contents: string [batch], encoded images.
      image_size: height and width of the result in pixels.
      settings: how images of other sizes become image_size.

    Returns:
      uint8 [batch, image_size, image_size, 3].

    Raises:
      tf.errors.InvalidArgumentError: when one of the images cannot be decoded.
    """
    return tf.map_fn(
        lambda image_bytes: resize(decode_image(image_bytes), image_size, settings),
        contents,
        parallel_iterations=PARALLEL_IMAGES,
        fn_output_signature=tf.TensorSpec([image_size, image_size, 3], tf.uint8),
    )


def _scale(pixels: tf.Tensor, shape: tf.Tensor, method: str) -> tf.Tensor:
    """Scales to shape, int32 [2]; bicubic and lanczos3 overshoot, so values are clipped."""
    scaled = tf.cast(tf.image.resize(pixels, shape, method, antialias=True), tf.float32)
    return tf.cast(tf.clip_by_value(tf.round(scaled), 0, 255), tf.uint8)


def _central_square(pixels: tf.Tensor) -> tf.Tensor:
    height, width = tf.unstack(tf.shape(pixels)[:2])
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _fitting_shape(pixels: tf.Tensor, image_size: int) -> tf.Tensor:
    """Height and width of the image once its longer side is image_size; at least one pixel each."""
    shape = tf.cast(tf.shape(pixels)[:2], tf.float32)
    scaled = tf.round(shape * (image_size / tf.reduce_max(shape)))
    return tf.cast(tf.maximum(scaled, 1.0), tf.int32)


def _pad_to_square(pixels: tf.Tensor) -> tf.Tensor:
    height, width = tf.unstack(tf.shape(pixels)[:2])
    side = tf.maximum(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return tf.pad(pixels, [[top, side - height - top], [left, side - width - left], [0, 0]])
