"""TensorFlow's decoder, which trains and serves, against Pillow, over all that the formats allow.

Two things hold for each image: what ingest writes is, in the graph, what Pillow shows; and the image itself,
sent to a model as it is, is either that or refused.
"""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from components.image_example_gen.inspection import inspect, to_png
from modules.encoded_images import BMP_VARIANT, LARGE_FRAME_GIF, PARTIAL_GIF, UNUSUAL_ORIENTATION
from modules.images import decode_image
from tests.odd_images import (
    GREY_PALETTE,
    MASKS_565,
    MASKS_RGBX,
    behind_start,
    bmp,
    chunk,
    exif_segment,
    frame,
    gif,
    gif_comment,
    noise,
    png,
    rational_tiff,
    segment,
    tiff,
)

SIZE = (8, 6)
PHOTOSHOP = [segment(0xFFED, b"Photoshop 3.0\0" + bytes(65_000))] * 3


def jpeg(image=None, **options) -> bytes:
    if image is None:
        rows, columns = np.mgrid[0:24, 0:40]
        image = np.stack([rows * 10, columns * 6, 200 - rows * 3 - columns * 2], axis=-1).astype(np.uint8)
    encoded = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(encoded, "JPEG", **options)
    return encoded.getvalue()


def with_exif(tiff_bytes: bytes) -> bytes:
    return behind_start(jpeg(), exif_segment(tiff_bytes))


def with_bytes(data: bytes, place: int, replacement: bytes) -> bytes:
    return data[:place] + replacement + data[place + len(replacement) :]


def shown_by_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        if image.mode.startswith("I"):
            return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, axis=-1)
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def in_graph(contents):
    return decode_image(contents)


def ingested(data: bytes) -> tuple[str | None, bytes]:
    conversion = inspect(data, 1).conversion
    return conversion, data if conversion is None else to_png(data)


# Each is read right as it is.
PLAIN = {
    "GIF": gif(SIZE, [frame(SIZE)]),
    "GIF, interlaced": gif(SIZE, [frame(SIZE, interlaced=True)]),
    "GIF, palette of the frame": gif(SIZE, [frame(SIZE, palette=noise(768, seed=9).tobytes())]),
    "GIF, transparent": gif(SIZE, [frame(SIZE, transparent=int(noise(48, seed=2)[5]))]),
    "GIF, transparent behind a comment": gif(
        SIZE, [gif_comment(600), frame(SIZE, transparent=int(noise(48, seed=2)[5]))]
    ),
    "GIF, animated": gif(SIZE, [frame(SIZE), frame((3, 2), (2, 1), seed=8)]),
    "GIF, animated and transparent": gif(
        SIZE, [frame(SIZE, transparent=int(noise(48, seed=2)[0])), frame(SIZE, transparent=3, seed=8)]
    ),
    "BMP, 24 bits": bmp(24),
    "BMP, 24 bits, top down": bmp(24, top_down=True),
    "BMP, 24 bits, long header": bmp(24, header_bytes=124),
    "BMP, 32 bits": bmp(32),
    "BMP, grey": bmp(8, palette=GREY_PALETTE),
    **{
        f"PNG, type {colour_type}, {depth} bits{', interlaced' if interlaced else ''}": png(
            colour_type, depth, interlaced=interlaced
        )
        for colour_type, depths in {0: (1, 2, 4, 8), 2: (8,), 3: (1, 2, 4, 8), 4: (8,), 6: (8,)}.items()
        for depth in depths
        for interlaced in (False, True)
    },
    "PNG, transparent grey": png(0, 8, before=chunk(b"tRNS", struct.pack(">H", noise(9, seed=10)[0]))),
    "PNG, transparent palette": png(3, 8, before=chunk(b"tRNS", bytes(256))),
    "PNG, gamma": png(2, 8, before=chunk(b"gAMA", struct.pack(">I", 100_000))),
    "PNG, turned": png(2, 8, before=chunk(b"eXIf", tiff(6))),
    "PNG, turned by EXIF behind its pixels": png(2, 8, behind=chunk(b"eXIf", tiff(6)), idat_bytes=20),
    "PNG, turned by EXIF with a JPEG's signature": png(2, 8, before=chunk(b"eXIf", b"Exif\0\0" + tiff(6))),
    "PNG, turned by EXIF with that signature twice": png(
        2, 8, before=chunk(b"eXIf", 2 * b"Exif\0\0" + tiff(6))
    ),
    "JPEG, EXIF with a wrong version": with_exif(tiff(6).replace(b"II*\0", b"II\0*")),
    "PNG with the word eXIf in a text": png(2, 8, before=chunk(b"tEXt", b"Title\0eXIf" + tiff(6))),
    "JPEG": jpeg(),
    "JPEG, progressive": jpeg(progressive=True),
    "JPEG, grey": jpeg(Image.new("L", (16, 16), 77)),
    **{f"JPEG, subsampling {name}": jpeg(subsampling=name) for name in ("4:4:4", "4:2:2", "4:1:1")},
    **{
        f"JPEG, orientation as TIFF type {value_type}, {byte_order}": with_exif(
            tiff(6, value_type, byte_order)
        )
        for value_type in (3, 4, 6, 8, 9)
        for byte_order in ("II", "MM")
    },
    "JPEG, EXIF behind 195 KB": behind_start(jpeg(), *PHOTOSHOP, exif_segment(tiff(6))),
    "JPEG, EXIF behind its tables": jpeg().replace(b"\xff\xc0", exif_segment(tiff(6)) + b"\xff\xc0", 1),
    "JPEG, EXIF behind filling bytes": behind_start(jpeg(), b"\xff\xff\xff" + exif_segment(tiff(6))),
    "JPEG, EXIF signature twice": with_exif(b"Exif\0\0" + tiff(6)),
    "JPEG, orientation by XMP alone": behind_start(
        jpeg(), segment(0xFFE1, b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation='6'/>")
    ),
}

# Each becomes a PNG, and a model refuses the original.
REFUSED = {
    "GIF, frame smaller than canvas": (gif((20, 20), [frame(SIZE, (5, 5))]), PARTIAL_GIF),
    "GIF, frame at the corner": (gif((20, 20), [frame(SIZE)]), PARTIAL_GIF),
    "GIF, frame larger than canvas": (gif((4, 4), [frame(SIZE)]), PARTIAL_GIF),
    "GIF, animated, small first frame": (
        gif((20, 20), [frame(SIZE, (5, 5)), frame((20, 20))]),
        PARTIAL_GIF,
    ),
    "GIF, small and transparent": (gif((20, 20), [frame(SIZE, (5, 5), transparent=9)]), PARTIAL_GIF),
    "GIF, animated, a larger frame later": (
        gif(SIZE, [frame(SIZE), frame((20, 20), seed=8)]),
        LARGE_FRAME_GIF,
    ),
    "GIF, animated, a frame one pixel wider": (
        gif(SIZE, [frame(SIZE), frame((9, 6), seed=8)]),
        LARGE_FRAME_GIF,
    ),
    "BMP, palette": (bmp(8), BMP_VARIANT),
    "BMP, two greys": (with_bytes(bmp(8, palette=GREY_PALETTE), 46, b"\x02"), BMP_VARIANT),
    "BMP, palette of 16": (bmp(4), BMP_VARIANT),
    "BMP, black and white": (bmp(1), BMP_VARIANT),
    "BMP, from OS/2": (bmp(24, header_bytes=12), BMP_VARIANT),
    "BMP, run lengths": (bmp(8, compression=1), BMP_VARIANT),
    "BMP, 16 bits": (bmp(16), BMP_VARIANT),
    "BMP, 16 bits with masks": (bmp(16, compression=3, masks=MASKS_565), BMP_VARIANT),
    "BMP, 32 bits in another order": (
        bmp(32, header_bytes=56, compression=3, masks=MASKS_RGBX),
        BMP_VARIANT,
    ),
    "JPEG, orientation as a fraction": (with_exif(rational_tiff(6)), UNUSUAL_ORIENTATION),
    "JPEG, EXIF in two segments": (
        behind_start(jpeg(), exif_segment(tiff(6)[:20]), exif_segment(tiff(6)[20:])),
        UNUSUAL_ORIENTATION,
    ),
    "JPEG, EXIF behind an empty one": (
        behind_start(jpeg(), exif_segment(b""), exif_segment(tiff(6))),
        UNUSUAL_ORIENTATION,
    ),
    "JPEG, EXIF behind stray bytes": (
        behind_start(jpeg(), b"\xff\0", exif_segment(tiff(6))),
        UNUSUAL_ORIENTATION,
    ),
    "PNG, EXIF twice": (
        png(2, 8, before=chunk(b"eXIf", tiff(1)) + chunk(b"eXIf", tiff(6))),
        UNUSUAL_ORIENTATION,
    ),
    "JPEG, orientation as a text": (with_exif(tiff(b"6\0\0\0", value_type=2, count=2)), UNUSUAL_ORIENTATION),
}

# These become PNGs to have a size or kind that everything understands; a model reads them right as well.
CONVERTED = {
    "PNG, 16 bits, grey": (png(0, 16), "16-bit PNG"),
    "PNG, 16 bits": (png(2, 16), "16-bit PNG"),
    "PNG, 16 bits with alpha": (png(6, 16), "16-bit PNG"),
    "JPEG, CMYK": (jpeg(Image.new("CMYK", (16, 16), (10, 90, 200, 30))), "CMYK JPEG"),
}


def assert_same(pixels, expected, data):
    tolerance = 6 if data.startswith(b"\xff\xd8") else 0
    np.testing.assert_allclose(np.asarray(pixels, int), np.asarray(expected, int), rtol=0, atol=tolerance)


@pytest.mark.parametrize("data", PLAIN.values(), ids=PLAIN)
def test_what_stays_as_it_is_is_what_pillow_shows(data):
    conversion, written = ingested(data)

    assert (conversion, written) == (None, data)
    assert_same(in_graph(data), shown_by_pillow(data), data)


@pytest.mark.parametrize(("data", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_tensorflow_would_misread_becomes_a_png_and_a_model_refuses_it(data, reason):
    conversion, written = ingested(data)

    assert conversion == reason
    assert_same(in_graph(written), shown_by_pillow(data), data)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{reason}: TensorFlow misreads it"):
        in_graph(data)


@pytest.mark.parametrize(("data", "reason"), CONVERTED.values(), ids=CONVERTED)
def test_what_is_converted_for_other_reasons_is_served_as_it_was_trained(data, reason):
    conversion, written = ingested(data)

    assert conversion == reason
    assert_same(in_graph(written), shown_by_pillow(data), data)
    assert_same(in_graph(data), shown_by_pillow(data), data)


@pytest.mark.parametrize("byte_order", ["II", "MM"])
def test_an_orientation_that_is_a_byte_counts_though_pillow_ignores_it(byte_order):
    data = with_exif(tiff(6, 1, byte_order))
    facts = inspect(data, 1)

    assert (facts.oriented, facts.conversion) == (True, None)
    assert_same(in_graph(data), np.rot90(shown_by_pillow(data), k=-1), data)


@pytest.mark.parametrize("name", ["PNG, turned", "JPEG, EXIF behind 195 KB"])
def test_a_turned_image_is_counted_and_has_the_size_that_one_sees(name):
    facts = inspect(PLAIN[name], 1)

    assert facts.oriented
    assert (facts.height, facts.width) == in_graph(PLAIN[name]).shape[:2]


def test_a_transparent_pixel_of_a_gif_has_the_colour_of_the_palette_and_is_not_black():
    palette = bytes([10, 20, 30]) * 256
    data = gif(SIZE, [frame(SIZE, transparent=int(noise(48, seed=2)[0]))], palette=palette)

    np.testing.assert_array_equal(in_graph(data), np.full((6, 8, 3), (10, 20, 30), np.uint8))


def test_a_cut_off_header_is_an_error_and_never_an_endless_loop():
    for whole in (
        PLAIN["GIF, transparent behind a comment"],
        PLAIN["BMP, grey"],
        PLAIN["PNG, turned"],
        PLAIN["JPEG, EXIF behind filling bytes"],
    ):
        for length in range(0, 120, 7):
            with pytest.raises(tf.errors.InvalidArgumentError):
                in_graph(whole[:length])
