"""What an encoded image says about itself, as TensorFlow ops: its orientation, and what would be misread.

tf.io.decode_image knows nothing of Exif, paints what is transparent in a GIF black, and gives wrong pixels
without a word for some GIFs and BMPs. Such files are recognised here: a model refuses them, so that it never
answers for another image than was meant, and ingest makes a PNG of them.

No operation is stateful, for the reason that modules/images.py gives.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

PARTIAL_GIF = "GIF with a first frame that is not its canvas"
LARGE_FRAME_GIF = "GIF with a frame larger than its canvas"
BMP_VARIANT = "BMP variant"  # compressed, 16-bit, with a palette, from OS/2, ...
UNUSUAL_ORIENTATION = "unusual EXIF orientation"  # not one integer, or in several places, or behind damage

# What files begin with; the place in this list tells the branch that reads one.
JPEG, PNG, GIF, BMP = SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")

# ITU-T T.81, table B.1: markers, of which some have no length, and some end what can be looked through.
APP1 = 0xFFE1
STANDALONE_MARKERS = (0xFF01, *range(0xFFD0, 0xFFD9))
SCAN_AND_END_MARKERS = (0xFFDA, 0xFFD9)
EXIF_SIGNATURE = b"Exif\0\0"  # Exif 2.32, 4.7.2
EXIF_HEAD_BYTES = 4 + len(EXIF_SIGNATURE)  # marker, length, signature

# PNG, third edition, 5.3: length, name, data, checksum.
EXIF_CHUNK_NAME, END_CHUNK_NAME = b"eXIf", b"IEND"
CHUNK_HEAD_BYTES, CHUNK_FRAME_BYTES = 8, 12

# TIFF 6.0, section 2: a directory holds entries of tag, type, count and value.
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II\0*", b"MM*\0")  # the last two are wrong, and seen
ENTRY_BYTES = 12
MAX_ENTRIES = (1 << 16) // ENTRY_BYTES  # what a segment of a JPEG has room for
ORIENTATION_TAG = 0x0112  # Exif 2.32, 4.6.4 A
BYTE_TYPES, SHORT_TYPES, LONG_TYPES = (1, 6), (3, 8), (4, 9)  # unsigned and signed

# GIF89a, sections 18 to 23.
GIF_HEADER_BYTES, GIF_CANVAS, GIF_FLAGS = 13, 6, 10
GIF_EXTENSION, GIF_IMAGE, GIF_GRAPHIC_CONTROL = 0x21, 0x2C, 0xF9

# Microsoft's BITMAPFILEHEADER and BITMAPINFOHEADER.
BMP_FILE_HEADER_BYTES, BMP_INFO_HEADER_BYTES = 14, 40
GREY_PALETTE = bytes(value for grey in range(256) for value in (grey, grey, grey, 0))


class Examined(NamedTuple):
    """What tf.io.decode_image does not see.

    Attributes:
      contents: string scalar; the encoded image, in which a GIF's first frame has lost its transparency.
      orientation: int32 scalar from 1 to 8 as Exif 2.32, 4.6.4 A numbers them; 1 is upright.
      misread: string scalar; the kind of image for which the pixels would be wrong, in words; mostly empty.
    """

    contents: tf.Tensor
    orientation: tf.Tensor
    misread: tf.Tensor


def examine(contents: tf.Tensor) -> Examined:
    """Looks at what a file says before and between its pixels.

    Args:
      contents: string scalar, an encoded image of any format.
    """
    contents = tf.convert_to_tensor(contents)
    begins = [tf.equal(tf.strings.substr(contents, 0, len(start)), start) for start in SIGNATURES]
    kind = tf.argmax([*begins, True], output_type=tf.int32)
    upright, right = tf.constant(1), tf.constant("")
    branches = [
        lambda: (contents, *_orientation_and_misread(contents, EXIF_SIGNATURE, _exif_of_jpeg)),
        lambda: (contents, *_orientation_and_misread(contents, EXIF_CHUNK_NAME, _exif_of_png)),
        lambda: (_opaque_gif(contents), upright, _misread_gif(contents)),
        lambda: (contents, upright, _misread_bmp(contents)),
        lambda: (contents, upright, right),
    ]
    return Examined(*tf.switch_case(kind, branches))


def refuse_misread(examined: Examined) -> tf.Tensor:
    """Returns the contents; raises InvalidArgumentError when they would be misread."""
    return tf.cond(
        tf.equal(examined.misread, ""), lambda: examined.contents, lambda: _error(examined.misread)
    )


def _error(misread: tf.Tensor) -> tf.Tensor:
    # tf.debugging.Assert is stateful. This is the stateless operation whose error quotes its input.
    return tf.strings.as_string(tf.strings.to_number(misread + ": TensorFlow misreads it; make it a PNG"))


def _bytes_at(contents: tf.Tensor, place, count: int) -> tf.Tensor:
    """Returns int32 [count] byte values, zeros behind the end."""
    piece = _substr(contents, place, count) + bytes(count)
    values = tf.io.decode_raw(tf.strings.substr(piece, 0, count), tf.uint8)
    return tf.cast(tf.reshape(values, [count]), tf.int32)


def _substr(contents: tf.Tensor, place, count) -> tf.Tensor:
    """Returns the bytes from a place on: fewer than count, or none, where the contents end."""
    return tf.strings.substr(contents, tf.minimum(place, tf.strings.length(contents)), count)


def _is_one_of(value: tf.Tensor, values: tuple[int, ...]) -> tf.Tensor:
    return tf.reduce_any(value[..., tf.newaxis] == tf.constant(values), axis=-1)


def _orientation_and_misread(
    contents: tf.Tensor, exif_name: bytes, exif_of: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the orientation that the file's TIFF structure tells, and what is wrong with it.

    Args:
      exif_name: what stands before the structure. To search for it is cheap beside decoding; to walk through
        a small file is not, as each turn of a loop costs some 30 microseconds.
      exif_of: returns the structure, an empty string when it is not there after all; and whether that is in
        doubt.
    """
    has_name = tf.size(tf.raw_ops.StringSplitV2(input=[contents], sep=exif_name, maxsplit=1).values) > 1
    nothing = (tf.constant(""), tf.constant(False))
    tiff, is_in_doubt = tf.cond(has_name, lambda: exif_of(contents), lambda: nothing)
    tiff = tf.strings.regex_replace(tiff, rf"^({EXIF_SIGNATURE.decode()})+", "")  # some write it again
    orientation = tf.cond(tf.equal(tiff, ""), lambda: tf.constant(1), lambda: _tiff_orientation(tiff))
    is_unusual = is_in_doubt | (orientation == 0)
    return tf.maximum(orientation, 1), tf.where(is_unusual, UNUSUAL_ORIENTATION, "")


def _exif_of_jpeg(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the TIFF structure in the Exif segment before the pixels.

    In doubt are several of them, which some programs put together, and segments that do not join.
    """
    last_place = tf.strings.length(contents) - EXIF_HEAD_BYTES

    def goes_on(place, step, *_):
        return (step > 0) & (place + step <= last_place)

    def look(place, step, exif, exif_bytes, found, _):
        place += step
        head = tf.strings.substr(contents, place, EXIF_HEAD_BYTES)
        marker, size = tf.unstack(_uint16s(tf.strings.substr(head, 0, 4)))
        is_exif = (marker == APP1) & tf.equal(tf.strings.substr(head, 4, len(EXIF_SIGNATURE)), EXIF_SIGNATURE)
        exif = tf.where(is_exif, place + EXIF_HEAD_BYTES, exif)
        exif_bytes = tf.where(is_exif, tf.maximum(2 + size - EXIF_HEAD_BYTES, 0), exif_bytes)
        step = tf.where(_is_one_of(marker, STANDALONE_MARKERS), 2, 2 + size)
        step = tf.where(marker == 0xFFFF, 1, step)  # any number of these may precede a marker
        is_end = _is_one_of(marker, SCAN_AND_END_MARKERS)
        is_lost = (marker <= 0xFF00) | ((step == 2 + size) & (size < 2))
        step = tf.where(is_end | is_lost, 0, step)
        return place, step, exif, exif_bytes, found + tf.cast(is_exif, tf.int32), is_end

    start = (0, 2, 0, 0, 0, tf.constant(False))
    _, _, exif, exif_bytes, found, has_come_to_pixels = tf.while_loop(goes_on, look, start)
    return _substr(contents, exif, exif_bytes), (found > 1) | ~has_come_to_pixels


def _uint16s(contents: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.reshape(tf.io.decode_raw(contents, tf.uint16, little_endian=False), [2]), tf.int32)


def _exif_of_png(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the TIFF structure in the eXIf chunk. In doubt are several: some programs take the last."""
    size_of_file = tf.strings.length(contents)
    exif_chunk, end_chunk = (int.from_bytes(name, "big") for name in (EXIF_CHUNK_NAME, END_CHUNK_NAME))

    def goes_on(place, size, name):
        has_next = (size >= 0) & (size <= size_of_file - place - CHUNK_FRAME_BYTES - CHUNK_HEAD_BYTES)
        return has_next & ~_is_one_of(name, (exif_chunk, end_chunk))

    def look(place, size, _):
        place += CHUNK_FRAME_BYTES + size
        head = tf.io.decode_raw(
            tf.strings.substr(contents, place, CHUNK_HEAD_BYTES), tf.int32, little_endian=False
        )
        return place, *tf.unstack(tf.reshape(head, [2]))

    place, size, name = tf.while_loop(goes_on, look, (len(PNG) - CHUNK_FRAME_BYTES, 0, 0))
    found = name == exif_chunk
    behind = _substr(contents, place + CHUNK_HEAD_BYTES, size_of_file)
    words = tf.raw_ops.StringSplitV2(input=[behind], sep=EXIF_CHUNK_NAME, maxsplit=1).values
    return tf.strings.substr(behind, 0, tf.where(found, size, 0)), found & (tf.size(words) > 1)


def _tiff_orientation(tiff: tf.Tensor) -> tf.Tensor:
    """Looks the tag up in the first directory; 1 without a valid one, 0 when it is not one integer."""
    is_tiff = tf.reduce_any(tf.equal(tf.strings.substr(tiff, 0, 4), TIFF_STARTS))
    head = _bytes_at(tiff, 0, 8)
    is_little_endian = head[0] == ord("I")
    weights = tf.where(is_little_endian, [1, 256], [256, 1])

    def uint16s(values):
        return tf.linalg.matvec(tf.reshape(values, [-1, 2]), weights)

    def uint32s(halves):
        """Returns -1 for what is too large to be an offset or an orientation."""
        low, high = tf.unstack(tf.where(is_little_endian, halves, halves[..., ::-1]), axis=-1)
        return tf.where(high == 0, low, -1)

    directory = uint32s(uint16s(head[4:8]))
    directory = tf.where(directory < 0, tf.strings.length(tiff), directory)
    count = tf.minimum(uint16s(_bytes_at(tiff, directory, 2))[0], MAX_ENTRIES)
    entries = tf.cast(tf.io.decode_raw(_substr(tiff, directory + 2, ENTRY_BYTES * count), tf.uint8), tf.int32)
    count = tf.size(entries) // ENTRY_BYTES  # those that are whole
    entries = tf.reshape(entries[: ENTRY_BYTES * count], [count, ENTRY_BYTES])
    fields = tf.reshape(uint16s(entries), [count, ENTRY_BYTES // 2])
    tag, value_type, number_of_values = fields[:, 0], fields[:, 1], uint32s(fields[:, 2:4])

    values = tf.where(_is_one_of(value_type, BYTE_TYPES), entries[:, 8], 0)
    values = tf.where(_is_one_of(value_type, SHORT_TYPES), fields[:, 4], values)
    values = tf.where(_is_one_of(value_type, LONG_TYPES), uint32s(fields[:, 4:6]), values)
    is_integer = _is_one_of(value_type, BYTE_TYPES + SHORT_TYPES + LONG_TYPES) & (number_of_values == 1)
    values = tf.where(is_integer, tf.where((values >= 1) & (values <= 8), values, 1), 0)
    # Of several the last counts, as in a dictionary; before the first stands 1, in case there is none.
    places = tf.where((tag == ORIENTATION_TAG) & is_tiff, tf.range(1, count + 1), 0)
    return tf.concat([[1], values], axis=0)[tf.maximum(tf.reduce_max(places), 0)]


def _first_frame_of_gif(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns where the first image descriptor is, and the flags of the graphic control before it.

    Both are int32 scalars, 0 when there is none.
    """
    flags = _bytes_at(contents, GIF_FLAGS, 1)[0]
    palette_bytes = tf.where(flags >= 0x80, 3 * tf.bitwise.left_shift(2, flags & 7), 0)

    def goes_on(place, _in_extension, frame, _control):
        return (frame == 0) & (place < tf.strings.length(contents))

    def look(place, in_extension, _, control):
        byte, label = tf.unstack(_bytes_at(contents, place, 2))
        begins_extension = ~in_extension & (byte == GIF_EXTENSION)
        control = tf.where(begins_extension & (label == GIF_GRAPHIC_CONTROL), place + 3, control)
        frame = tf.where(~in_extension & (byte == GIF_IMAGE), place, 0)
        # An extension goes on in blocks that begin with their length, until one is empty.
        is_lost = ~in_extension & ~begins_extension & (frame == 0)
        step = tf.where(begins_extension, 2, 1 + byte)
        next_place = tf.where(is_lost, tf.strings.length(contents), place + step)
        return next_place, begins_extension | (in_extension & (byte > 0)), frame, control

    start = (GIF_HEADER_BYTES + palette_bytes, tf.constant(False), 0, 0)
    _, _, frame, control = tf.while_loop(goes_on, look, start)
    return frame, control


def _misread_gif(contents: tf.Tensor) -> tf.Tensor:
    """TensorFlow takes a frame for the image, or puts it on a black canvas, as large as the largest frame."""
    frame, _ = _first_frame_of_gif(contents)
    left_top_and_size = _bytes_at(contents, frame + 1, 8)
    canvas_size = _bytes_at(contents, GIF_CANVAS, 4)
    fills = tf.reduce_all(left_top_and_size == tf.concat([tf.zeros([4], tf.int32), canvas_size], axis=0))
    # To decode it once more costs less than to walk through the pixels of all frames.
    shape = tf.shape(tf.io.decode_image(contents, channels=3, expand_animations=False))
    width, height = tf.unstack(tf.linalg.matvec(tf.reshape(canvas_size, [2, 2]), [1, 256]))
    is_canvas = (shape[0] == height) & (shape[1] == width)
    misread = tf.where(is_canvas, "", LARGE_FRAME_GIF)
    return tf.where(fills | (frame == 0), misread, PARTIAL_GIF)


def _opaque_gif(contents: tf.Tensor) -> tf.Tensor:
    """Takes the flag of transparency away from the first frame.

    The pixels then have the colour of the palette instead of black: what Pillow shows, and what becomes of
    transparency in a PNG.
    """
    _, control = _first_frame_of_gif(contents)
    flags = _bytes_at(contents, control, 1)[0]

    def without_flag():
        before, after = tf.strings.substr(contents, 0, control), _substr(contents, control + 1, -1)
        return tf.strings.join(
            [before, tf.gather([bytes([value]) for value in range(256)], flags - 1), after]
        )

    is_transparent = (control > 0) & (flags % 2 == 1)
    return tf.cond(is_transparent, without_flag, lambda: contents)


def _misread_bmp(contents: tf.Tensor) -> tf.Tensor:
    """TensorFlow looks at the number of bits alone, and takes BGR, BGRA or grey for granted."""
    head = _bytes_at(contents, 0, BMP_FILE_HEADER_BYTES + BMP_INFO_HEADER_BYTES)
    header_bytes = head[14] + 256 * head[15]
    bits = head[28] + 256 * head[29]
    is_uncompressed = tf.reduce_all(head[30:34] == 0)
    colours = head[46] + 256 * head[47]  # of the palette, 0 for all
    palette = _substr(contents, BMP_FILE_HEADER_BYTES + header_bytes, len(GREY_PALETTE))
    is_grey = (bits == 8) & tf.equal(palette, GREY_PALETTE) & _is_one_of(colours, (0, 256))
    has_plain_pixels = (bits == 24) | (bits == 32) | is_grey
    is_plain = (header_bytes >= BMP_INFO_HEADER_BYTES) & is_uncompressed & has_plain_pixels
    return tf.where(is_plain, "", BMP_VARIANT)
