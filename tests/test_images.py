"""Images become upright pixels of one size; Pillow is the judge where it knows the answer."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from modules.encoded_images import examine
from modules.images import apply_orientation, decode_and_resize_batch, decode_image, resize
from modules.recipe import Resize


def encode(pixels: np.ndarray, image_format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, image_format, **options)
    return buffer.getvalue()


def random_pixels(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)


def tiff_with_orientation(orientation: int, byte_order: str) -> bytes:
    """A TIFF directory as cameras write it: maker, orientation, resolution unit."""
    order = "<" if byte_order == "II" else ">"
    entries = [
        struct.pack(order + "HHI4s", 0x010F, 2, 4, b"cam\0"),
        struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0),
        struct.pack(order + "HHIHH", 0x0128, 3, 1, 2, 0),
    ]
    header = byte_order.encode() + struct.pack(order + "HI", 42, 8)
    return header + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)


def jpeg_with_exif(pixels: np.ndarray, tiff: bytes) -> bytes:
    return encode(pixels, "JPEG", quality=95, exif=b"Exif\0\0" + tiff)


def photograph() -> np.ndarray:
    """24 x 40, smooth, and different in all four corners, so that every turn is visible after JPEG."""
    rows, columns = np.mgrid[0:24, 0:40]
    return np.stack([rows * 10, columns * 6, 200 - rows * 3 - columns * 2], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("byte_order", ["II", "MM"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_pillow_applies_it(orientation, byte_order):
    jpeg = jpeg_with_exif(photograph(), tiff_with_orientation(orientation, byte_order))

    decoded = tf.function(decode_image)(tf.constant(jpeg)).numpy()

    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(jpeg)))
    np.testing.assert_allclose(decoded.astype(int), np.asarray(upright, dtype=int), atol=6)
    assert examine(jpeg).orientation.numpy() == orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_moves_pixels_exactly_as_pillow_does(orientation):
    pixels = random_pixels(5, 8)
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = orientation

    np.testing.assert_array_equal(
        apply_orientation(tf.constant(pixels), tf.constant(orientation)),
        np.asarray(ImageOps.exif_transpose(image)),
    )


def test_exif_is_found_behind_a_jfif_header_and_a_colour_profile():
    plain = encode(photograph(), "JPEG", icc_profile=bytes(3000))
    segment = b"Exif\0\0" + tiff_with_orientation(6, "MM")
    scan = plain.index(b"\xff\xdb")  # the quantisation tables follow the application segments
    jpeg = plain[:scan] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[scan:]

    assert Image.open(io.BytesIO(jpeg)).getexif()[0x0112] == 6
    assert examine(jpeg).orientation.numpy() == 6


def test_jpeg_without_exif_is_upright():
    jpeg = encode(photograph(), "JPEG")

    assert examine(jpeg).orientation.numpy() == 1
    assert decode_image(jpeg).shape == (24, 40, 3)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_invalid_orientations_count_as_upright(orientation):
    assert (
        examine(jpeg_with_exif(photograph(), tiff_with_orientation(orientation, "II"))).orientation.numpy()
        == 1
    )


def test_only_the_main_image_s_orientation_counts_not_the_thumbnail_s():
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    no_entries, one_entry = struct.pack("<H", 0), struct.pack("<H", 1)
    thumbnail_directory = 8 + 2 + 4
    tiff = b"II" + struct.pack("<HI", 42, 8) + no_entries + struct.pack("<I", thumbnail_directory)
    tiff += one_entry + entry + bytes(4)

    assert examine(jpeg_with_exif(photograph(), tiff)).orientation.numpy() == 1


@pytest.mark.parametrize(
    "tiff",
    [
        b"II",
        b"II" + struct.pack("<HI", 42, 0xFFFFFFFF),
        b"MM" + struct.pack(">HI", 42, 60000),
        b"II" + struct.pack("<HIH", 42, 8, 65535),
        b"II" + struct.pack("<HIHHH", 42, 8, 1, 0x0112, 3),
    ],
    ids=["no directory", "offset too large", "offset behind the end", "too many entries", "entry cut off"],
)
def test_damaged_exif_is_ignored(tiff):
    jpeg = jpeg_with_exif(photograph(), tiff)

    assert examine(jpeg).orientation.numpy() == 1
    assert decode_image(jpeg).shape == (24, 40, 3)


def test_exif_bytes_inside_a_png_never_turn_it():
    segment = b"\xff\xd8\xff\xe1\x00\x50Exif\0\0" + tiff_with_orientation(6, "II")
    png = encode(random_pixels(5, 8))
    png_with_comment = png[:33] + struct.pack(">I", len(segment)) + b"teSt" + segment + bytes(4) + png[33:]

    assert examine(png_with_comment).orientation.numpy() == 1


@pytest.mark.parametrize("image_format", ["PNG", "BMP"])
def test_lossless_formats_decode_to_their_own_pixels(image_format):
    pixels = random_pixels(5, 8)

    np.testing.assert_array_equal(decode_image(encode(pixels, image_format)), pixels)


def test_the_first_frame_of_an_animation_counts():
    frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])

    decoded = decode_image(buffer.getvalue()).numpy()

    np.testing.assert_array_equal(decoded, np.full((4, 6, 3), (255, 0, 0), np.uint8))


def test_grey_images_get_three_equal_channels():
    grey = random_pixels(5, 8)[..., 0]

    np.testing.assert_array_equal(decode_image(encode(grey)), np.stack([grey] * 3, axis=-1))


@pytest.mark.parametrize("contents", [b"", b"not an image", encode(random_pixels(9, 9))[:60]])
def test_bytes_that_are_no_image_are_an_error_and_never_a_black_image(contents):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_image(tf.constant(contents))


def test_resizing_to_the_same_size_changes_nothing():
    pixels = random_pixels(8, 8)

    for method in ("nearest", "bilinear", "bicubic", "area", "lanczos3"):
        np.testing.assert_array_equal(resize(pixels, 8, Resize(method=method)), pixels)


def test_shrinking_averages_and_so_keeps_a_fine_checkerboard_grey():
    checkerboard = np.indices((64, 64)).sum(axis=0)[..., None] % 2 * np.array([255, 255, 255])

    for method in ("bilinear", "bicubic", "area", "lanczos3"):
        shrunk = resize(tf.constant(checkerboard, tf.uint8), 8, Resize(method=method)).numpy()
        np.testing.assert_allclose(shrunk[1:-1, 1:-1].astype(int), 128, atol=2)


def test_enlarging_bilinearly_interpolates_between_pixel_centres():
    row = np.array([[[0, 0, 0], [100, 100, 100]]] * 2, np.uint8)

    enlarged = resize(tf.constant(row), 4, Resize(method="bilinear"))

    np.testing.assert_array_equal(enlarged[0, :, 0], [0, 25, 75, 100])


def test_nearest_repeats_pixels():
    row = np.array([[[0, 0, 0], [100, 100, 100]]] * 2, np.uint8)

    np.testing.assert_array_equal(
        resize(tf.constant(row), 4, Resize(method="nearest"))[0, :, 0], [0, 0, 100, 100]
    )


def test_overshooting_methods_are_clipped_and_do_not_wrap_around():
    edge = np.repeat(np.array([0, 255], np.uint8), 4)[None, :, None] * np.ones((8, 1, 3), np.uint8)

    enlarged = resize(tf.constant(edge), 32, Resize(method="lanczos3")).numpy()[16, :, 0]

    assert enlarged[:10].max() < 40
    assert enlarged[-10:].min() > 215


def striped(height: int, width: int) -> np.ndarray:
    """Red, green and blue thirds along the longer side."""
    thirds = np.repeat(np.eye(3, dtype=np.uint8) * 255, max(height, width) // 3, axis=0)
    stripes = np.broadcast_to(thirds[None], (min(height, width), *thirds.shape))
    return stripes if width > height else stripes.transpose(1, 0, 2)


@pytest.mark.parametrize(("height", "width"), [(4, 12), (12, 4)])
def test_crop_keeps_the_centre(height, width):
    cropped = resize(tf.constant(striped(height, width)), 4, Resize(aspect="crop"))

    np.testing.assert_array_equal(cropped, np.full((4, 4, 3), (0, 255, 0), np.uint8))


@pytest.mark.parametrize(("height", "width"), [(4, 12), (12, 4)])
def test_pad_keeps_the_whole_image_between_black_bars(height, width):
    padded = resize(tf.constant(striped(height, width)), 12, Resize(aspect="pad")).numpy()

    along = padded if width > height else padded.transpose(1, 0, 2)
    np.testing.assert_array_equal(along[4:8], striped(4, 12))
    assert not along[:4].any()
    assert not along[8:].any()


def test_pad_survives_an_extreme_aspect_ratio():
    padded = resize(tf.fill([1, 1000, 3], tf.constant(200, tf.uint8)), 32, Resize(aspect="pad")).numpy()

    assert (padded[..., 0] == 200).any(axis=1).sum() == 1


def test_stretch_uses_the_whole_image_and_the_whole_square():
    stretched = resize(tf.constant(striped(4, 12)), 12, Resize(aspect="stretch", method="nearest"))

    np.testing.assert_array_equal(stretched, np.broadcast_to(striped(4, 12)[:1], (12, 12, 3)))


@pytest.mark.parametrize("aspect", ["stretch", "crop", "pad"])
def test_a_batch_of_different_sizes_and_formats_equals_its_images_one_by_one(aspect):
    files = [
        encode(random_pixels(5, 8)),
        jpeg_with_exif(photograph(), tiff_with_orientation(6, "II")),
        encode(random_pixels(30, 20), "BMP"),
    ]
    settings = Resize(aspect=aspect)

    batch = tf.function(lambda contents: decode_and_resize_batch(contents, 16, settings))(tf.constant(files))

    assert batch.shape == (3, 16, 16, 3)
    assert batch.dtype == tf.uint8
    for image, contents in zip(batch, files, strict=True):
        np.testing.assert_array_equal(image, resize(decode_image(contents), 16, settings))


@pytest.mark.parametrize("aspect", ["stretch", "crop", "pad"])
def test_no_operation_is_stateful_so_that_unwanted_images_are_never_decoded(aspect):
    settings = Resize(aspect=aspect)
    function = tf.function(lambda contents: decode_and_resize_batch(contents, 16, settings))
    graph = function.get_concrete_function(tf.TensorSpec([None], tf.string)).graph

    assert [operation.type for operation in graph.get_operations() if operation.op_def.is_stateful] == []


def test_an_empty_batch_has_the_right_shape():
    batch = decode_and_resize_batch(tf.constant([], tf.string), 16, Resize())

    assert batch.shape == (0, 16, 16, 3)
