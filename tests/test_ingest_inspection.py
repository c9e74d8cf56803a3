"""One image: which are usable, which become PNGs, what is known about them."""

import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.image_example_gen.headers import ORIENTATION_TAG, Rejected, read_header
from components.image_example_gen.inspection import inspect, mean_brightness, to_png
from modules import images

WIDTH, HEIGHT = 60, 40


@pytest.fixture
def photo():
    """A smooth coloured picture, so that lossy formats stay close to it."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    red, green, blue = 4 * x, 6 * y, 255 - 2 * (x + y)
    return Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8))


def encode(image, image_format, **options):
    encoded = io.BytesIO()
    image.save(encoded, image_format, **options)
    return encoded.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[ORIENTATION_TAG] = orientation
    return tags


def pixels_in_graph(data):
    return images.decode_image(tf.constant(data)).numpy()


def huge_png(width, height):
    """A few bytes that claim to be a huge image."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b""))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


# Facts


def test_the_facts_of_an_image(photo):
    data = encode(photo, "PNG")
    facts = inspect(data, max_megapixels=1)
    assert (facts.width, facts.height, facts.channels) == (WIDTH, HEIGHT, 3)
    assert facts.byte_size == len(data)
    assert facts.content_hash == hashlib.sha256(data).hexdigest()
    assert facts.image_format == "PNG"
    assert (facts.oriented, facts.conversion) == (False, None)
    assert facts.mean_brightness == pytest.approx(np.asarray(photo.convert("L")).mean(), abs=0.5)


@pytest.mark.parametrize(
    ("colour", "brightness"),
    [
        ((0, 0, 0), 0.0),
        ((255, 255, 255), 255.0),
        ((255, 0, 0), 76.2),
        ((0, 255, 0), 149.7),
        ((0, 0, 255), 29.1),
    ],
)
def test_brightness_is_the_luma_of_itu_r_601(colour, brightness):
    pixels = np.full((3, 5, 3), colour, np.uint8)
    assert mean_brightness(pixels) == pytest.approx(brightness, abs=0.05)


def test_brightness_of_a_large_image_is_sampled_over_all_of_it():
    pixels = np.zeros((1024, 2048, 3), np.uint8)
    pixels[:, 1024:] = 255
    assert mean_brightness(pixels) == pytest.approx(127.5, abs=1)


@pytest.mark.parametrize(
    ("mode", "channels"), [("1", 1), ("L", 1), ("LA", 2), ("P", 3), ("RGB", 3), ("RGBA", 4)]
)
def test_channels_are_those_of_the_file(photo, mode, channels):
    assert inspect(encode(photo.convert(mode), "PNG"), 1).channels == channels


# What stays as it is


@pytest.mark.parametrize(
    ("image_format", "mode"),
    [
        ("JPEG", "RGB"),
        ("JPEG", "L"),
        ("GIF", "P"),
        ("GIF", "L"),
        ("BMP", "RGB"),
        ("BMP", "RGBA"),
        ("BMP", "L"),
    ]
    + [("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")],
)
def test_what_the_graph_decodes_right_stays_as_it_is(photo, image_format, mode):
    image = photo.convert(mode)
    data = encode(image, image_format)
    facts = inspect(data, 1)
    assert (facts.image_format, facts.conversion) == (image_format, None)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    np.testing.assert_allclose(pixels_in_graph(data), expected, atol=6 if image_format == "JPEG" else 0)


def test_the_first_frame_of_a_gif_counts(photo):
    frames = [photo.convert("P"), Image.new("P", photo.size)]
    facts = inspect(encode(frames[0], "GIF", save_all=True, append_images=frames[1:]), 1)
    assert facts.conversion is None
    assert facts.mean_brightness == pytest.approx(np.asarray(photo.convert("L")).mean(), abs=2)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_stays_as_it_is_and_its_size_is_that_of_the_upright_image(photo, orientation):
    data = encode(photo, "JPEG", exif=exif(orientation))
    facts = inspect(data, 1)
    assert facts.conversion is None
    assert facts.oriented == (orientation != 1)
    assert (facts.height, facts.width) == pixels_in_graph(data).shape[:2]
    assert (facts.width > facts.height) == (orientation < 5)


def test_damaged_exif_does_no_harm(photo):
    facts = inspect(encode(photo, "JPEG", exif=b"Exif\0\0MM\0*garbage"), 1)
    assert (facts.width, facts.height, facts.oriented) == (WIDTH, HEIGHT, False)


# What becomes a PNG


@pytest.mark.parametrize(
    ("make", "conversion", "image_format", "tolerance"),
    [
        (lambda photo: encode(photo, "WEBP", lossless=True), "WEBP", "WEBP", 0),
        (lambda photo: encode(photo, "TIFF"), "TIFF", "TIFF", 0),
        (lambda photo: encode(photo, "PPM"), "PPM", "PPM", 0),
        (lambda photo: encode(photo.convert("CMYK"), "JPEG"), "CMYK JPEG", "JPEG", 12),
        (lambda photo: encode(photo, "PNG", exif=exif(1)), None, "PNG", 0),
        (lambda photo: encode(photo.convert("1"), "BMP"), "BMP variant", "BMP", 255),  # dithered
        (lambda photo: encode(photo.quantize(256), "BMP"), "BMP variant", "BMP", 40),
    ],
    ids=["webp", "tiff", "ppm", "cmyk", "upright_png", "bmp_1_bit", "bmp_palette"],
)
def test_what_only_pillow_reads_right_becomes_a_png(photo, make, conversion, image_format, tolerance):
    data = make(photo)
    facts = inspect(data, 1)
    assert (facts.image_format, facts.conversion) == (image_format, conversion)
    assert (facts.width, facts.height, facts.byte_size) == (WIDTH, HEIGHT, len(data))
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(pixels_in_graph(to_png(data)), expected)
    np.testing.assert_allclose(expected.astype(int), np.asarray(photo), atol=tolerance)


@pytest.mark.parametrize("image_format", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_upper_byte(image_format):
    grey = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    data = encode(Image.fromarray(grey), image_format)
    facts = inspect(data, 1)
    assert facts.conversion == {"PNG": "16-bit PNG", "TIFF": "TIFF"}[image_format]
    assert facts.channels == 1
    np.testing.assert_array_equal(pixels_in_graph(to_png(data))[:, :, 0], grey >> 8)


def test_16_bit_colour_keeps_its_upper_byte(photo):
    wide = np.asarray(photo).astype(np.uint16) * 256 + 255
    data = tf.io.encode_png(wide).numpy()
    assert inspect(data, 1).conversion == "16-bit PNG"
    np.testing.assert_array_equal(pixels_in_graph(to_png(data)), np.asarray(photo))


@pytest.mark.parametrize(
    ("image_format", "conversion"),
    [("WEBP", "WEBP"), ("TIFF", "TIFF")],
)
def test_orientation_of_other_formats_is_applied_while_converting(photo, image_format, conversion):
    options = {"lossless": True} if image_format == "WEBP" else {}
    data = encode(photo, image_format, exif=exif(6), **options)  # 6: turn a quarter clockwise
    facts = inspect(data, 1)
    assert (facts.width, facts.height) == (HEIGHT, WIDTH)
    assert (facts.oriented, facts.conversion) == (True, conversion)
    np.testing.assert_array_equal(pixels_in_graph(to_png(data)), np.rot90(np.asarray(photo), -1))


def test_an_animation_whose_frames_together_are_too_large_is_reduced_to_its_first(photo):
    frames = [photo.rotate(10 * turn).convert("P") for turn in range(9)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert inspect(data, max_megapixels=9 * WIDTH * HEIGHT / 1e6).conversion is None
    assert inspect(data, max_megapixels=8 * WIDTH * HEIGHT / 1e6).conversion == "GIF with many frames"
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(pixels_in_graph(to_png(data)), expected)


def test_a_conversion_is_the_same_every_time(photo):
    data = encode(photo, "WEBP")
    assert to_png(data) == to_png(data)


# What is set aside


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"Photographs by Ann.\n", "not an image in a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image in a known format"),
        (b"\xff\xd8\xff\xe0", "damaged header|not an image"),
        (b"\x89PNG\r\n\x1a\n", "damaged header|not an image"),
    ],
    ids=["empty", "text", "postscript", "start_of_jpeg", "start_of_png"],
)
def test_what_is_no_image_is_refused(data, reason):
    with pytest.raises(Rejected, match=reason):
        inspect(data, 1)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_truncated_image_is_refused(photo, image_format, share):
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), image_format)
    with pytest.raises(Rejected, match=r"truncated|damaged|cannot be decoded|not an image"):
        inspect(data[: int(len(data) * share)], 1)


def test_a_png_with_a_flipped_bit_is_refused(photo):
    data = bytearray(encode(photo, "PNG"))
    data[len(data) // 2] ^= 1
    with pytest.raises(Rejected, match="truncated or damaged PNG"):
        inspect(bytes(data), 1)


def test_an_image_over_the_limit_is_refused_with_its_size(photo):
    data = encode(photo, "PNG")
    assert inspect(data, max_megapixels=WIDTH * HEIGHT / 1e6).width == WIDTH
    with pytest.raises(
        Rejected, match=r"60 x 40 pixels are 0.0 megapixels, more than data.max_megapixels = 0.002"
    ):
        inspect(data, max_megapixels=0.002)


@pytest.mark.parametrize("side", [20_000, 60_000])
def test_a_decompression_bomb_is_refused_by_its_header(side):
    with pytest.raises(Rejected, match=f"{side} x {side} pixels"):
        read_header(huge_png(side, side), max_megapixels=50)


def test_a_limit_above_pillows_own_is_honoured():
    assert read_header(huge_png(20_000, 20_000), max_megapixels=400).width == 20_000


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_pixels_without_a_brightest_value_are_refused(dtype):
    data = encode(Image.fromarray(np.zeros((4, 4), dtype)), "TIFF")
    with pytest.raises(Rejected, match="32-bit pixels have no defined brightest value"):
        inspect(data, 1)
