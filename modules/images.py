"""From encoded image bytes to pixels of one size, as TensorFlow ops that travel inside the model.

The functions work eagerly and in graphs, so training, evaluation and serving share them. No operation
is stateful (tf.image's croppings and paddings are, by their assertions): a stateful one would run even
where its result is not wanted, and images would be decoded just to look at labels.
"""

import tensorflow as tf

from modules.recipe import Resize

# The Exif standard (CIPA DC-008, 4.5.4) puts the segment right behind the start of the file; JFIF
# headers and colour profiles that some writers put before it fit into the first 64 KiB.
EXIF_SEARCH_BYTES = 1 << 16
MAX_TIFF_BYTES = 1 << 16  # the length of a JPEG segment is a uint16 (ITU-T T.81, B.1.1.4)
TIFF_ENTRY_BYTES = 12  # TIFF 6.0, section 2: tag, type, count, value
ORIENTATION_TAG = 0x0112  # Exif 2.32, 4.6.4 A
SHORT_TYPE = 3  # TIFF 6.0, section 2: 16-bit unsigned integer

# map_fn over images of a batch: more at a time gains nothing on the machines tried.
PARALLEL_IMAGES = 16


def decode_image(contents: tf.Tensor) -> tf.Tensor:
    """Decodes one image and turns it upright.

    Args:
      contents: string scalar, a whole JPEG, PNG, GIF (the first frame counts) or BMP file.

    Returns:
      uint8 [height, width, 3], RGB, in the orientation that the photographer saw (JPEG's Exif tag).

    Raises:
      tf.errors.InvalidArgumentError: when the bytes are no such image.
    """
    pixels = tf.io.decode_image(contents, channels=3, expand_animations=False)
    pixels.set_shape([None, None, 3])
    return apply_orientation(pixels, exif_orientation(contents))


def exif_orientation(contents: tf.Tensor) -> tf.Tensor:
    """Reads the orientation tag of a JPEG's Exif segment.

    Args:
      contents: string scalar, an encoded image of any format.

    Returns:
      int32 scalar from 1 to 8 as Exif 2.32, 4.6.4 A numbers them; 1 (upright) without a valid tag
      and for formats other than JPEG.
    """
    is_jpeg = tf.equal(tf.strings.substr(contents, 0, 3), b"\xff\xd8\xff")
    return tf.cond(is_jpeg, lambda: _jpeg_orientation(contents), lambda: tf.constant(1))


def _jpeg_orientation(contents: tf.Tensor) -> tf.Tensor:
    head = tf.strings.substr(contents, 0, EXIF_SEARCH_BYTES + MAX_TIFF_BYTES)
    head = tf.cast(tf.io.decode_raw(head, tf.uint8), tf.int32)
    search = tf.pad(head[:EXIF_SEARCH_BYTES], [[0, 10]])
    places = tf.size(search) - 10
    # An APP1 marker, two bytes of length that vary, then the name of the segment.
    signature = {0: 0xFF, 1: 0xE1} | {4 + i: byte for i, byte in enumerate(b"Exif\0\0")}
    is_start = tf.reduce_all([search[i : places + i] == byte for i, byte in signature.items()], axis=0)
    start = tf.argmax(is_start, output_type=tf.int32)
    length = 256 * search[start + 2] + search[start + 3]
    tiff = head[start + 10 : start + 2 + length]
    return tf.cond(tf.reduce_any(is_start), lambda: _tiff_orientation(tiff), lambda: tf.constant(1))


def _tiff_orientation(tiff: tf.Tensor) -> tf.Tensor:
    """Looks the tag up in the first directory (TIFF 6.0, section 2) of int32 [n] byte values."""
    # Zeros behind the end: offsets of a damaged file then read "no entry" and never run out of range.
    tiff = tf.pad(tiff[:MAX_TIFF_BYTES], [[0, 2 * MAX_TIFF_BYTES]])
    is_little_endian = tiff[0] == ord("I")
    uint16_weights = tf.where(is_little_endian, [1, 256], [256, 1])
    offset_halves = tf.linalg.matvec(tf.reshape(tiff[4:8], [2, 2]), uint16_weights)
    low, high = tf.unstack(tf.where(is_little_endian, offset_halves, offset_halves[::-1]))
    directory = tf.where(high > 0, MAX_TIFF_BYTES, low)
    entry_count = tf.reduce_sum(tiff[directory : directory + 2] * uint16_weights)
    entry_count = tf.minimum(entry_count, MAX_TIFF_BYTES // TIFF_ENTRY_BYTES)
    first_entry = directory + 2
    entries = tiff[first_entry : first_entry + TIFF_ENTRY_BYTES * entry_count]
    fields = tf.linalg.matvec(tf.reshape(entries, [entry_count, 6, 2]), uint16_weights)
    is_orientation = (fields[:, 0] == ORIENTATION_TAG) & (fields[:, 1] == SHORT_TYPE)
    orientation = tf.reduce_max(tf.where(is_orientation, fields[:, 4], 0))
    return tf.where((orientation >= 1) & (orientation <= 8), orientation, 1)


def apply_orientation(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns and mirrors an image so that an Exif orientation becomes upright.

    Args:
      pixels: [height, width, channels].
      orientation: int32 scalar from 1 to 8 (Exif 2.32, 4.6.4 A).

    Returns:
      The pixels; height and width are swapped for orientations 5 to 8.
    """
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
