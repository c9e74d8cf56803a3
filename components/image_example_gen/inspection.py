"""Decodes one image to learn whether it can be used, and the scalars that travel with it."""

import dataclasses
import hashlib
import io
from typing import Optional

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from components.image_example_gen.headers import (
    Header,
    Rejected,
    read_header,
    settle_orientation,
)
from modules.encoded_images import UNUSUAL_ORIENTATION, examine

LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601, red, green and blue; the same as Pillow's mode L
# Mean brightness of a large image is taken from every k-th row and column; 256 a side remain.
BRIGHTNESS_SAMPLES_A_SIDE = 256
# TensorFlow misreads some of these without a word, so Pillow is asked too. PNGs it reads as Pillow does, to
# the last bit, and JPEGs but for rounding: tests/test_decoders.py goes through all that the formats allow.
COMPARED_FORMATS = ("BMP", "GIF")
# What stands before the EXIF data. An image without it is upright, and the graph need not be asked.
EXIF_NAMES = {"JPEG": b"Exif\0\0", "PNG": b"eXIf"}


@dataclasses.dataclass(frozen=True)
class ImageFacts:
    """The scalars of modules/features.py that the bytes of an image determine, and what was done to it."""

    width: int  # pixels, after EXIF orientation
    height: int
    channels: int
    byte_size: int
    mean_brightness: float  # 0 to 255
    image_format: str
    content_hash: str  # SHA-256, hexadecimal
    oriented: bool  # whether EXIF turns or mirrors the image
    conversion: Optional[str]  # why it becomes a PNG; None keeps the bytes untouched


def inspect(data: bytes, max_megapixels: float) -> ImageFacts:
    """Decodes an image as the pipeline's graph will, and returns its facts.

    Bytes stay as they are when the graph reads them right; everything else that Pillow reads is to become a
    PNG (see to_png). The EXIF orientation of a JPEG or PNG is left to the graph.

    Args:
      data: the whole file.
      max_megapixels: limit on width x height, in millions, checked before anything is decoded.

    Raises:
      Rejected: when the image cannot be used, with the reason.
    """
    header = read_header(data, max_megapixels)
    conversion, orientation = header.conversion, header.orientation
    if conversion is None:
        contents, orientation, conversion = _examine(data, header)
    if conversion is None and header.orientation not in (1, orientation):
        conversion = UNUSUAL_ORIENTATION
    if conversion is None:
        pixels = _decode(contents, header)
        if header.image_format in COMPARED_FORMATS and not _pillow_agrees(data, pixels):
            conversion = f"{header.image_format} variant"
    if conversion is not None:
        orientation = header.orientation
        pixels = _decode_with_pillow(data)
    height, width = pixels.shape[:2]
    if conversion is None and orientation >= 5:
        height, width = width, height
    return ImageFacts(
        width=width,
        height=height,
        channels=header.channels,
        byte_size=len(data),
        mean_brightness=mean_brightness(pixels),
        image_format=header.image_format,
        content_hash=hashlib.sha256(data).hexdigest(),
        oriented=orientation != 1,
        conversion=conversion,
    )


def to_png(data: bytes) -> bytes:
    """Returns an 8-bit RGB PNG of an image's first frame, upright, without metadata.

    16-bit values lose their lower byte; transparency is dropped, as tf.io.decode_image drops it.

    Raises:
      Rejected: when Pillow cannot decode the image.
    """
    png = io.BytesIO()
    Image.fromarray(_decode_with_pillow(data)).save(png, "PNG")
    return png.getvalue()


def mean_brightness(pixels: np.ndarray) -> float:
    """Returns the mean luma (ITU-R BT.601), 0 to 255, of uint8 [height, width, 3] RGB pixels."""
    step = max(1, min(pixels.shape[:2]) // BRIGHTNESS_SAMPLES_A_SIDE)
    # Luma is linear, so that the mean of the lumas is the luma of the mean colour.
    mean_colour = pixels[::step, ::step].reshape(-1, 3).mean(axis=0, dtype=np.float64)
    return float(np.dot(mean_colour, LUMA_WEIGHTS))


def _decode(data: bytes, header: Header) -> np.ndarray | None:
    """Decodes with TensorFlow; returns None for a BMP that it does not know, raises Rejected otherwise."""
    try:
        return tf.io.decode_image(data, channels=3, expand_animations=False).numpy()
    except tf.errors.InvalidArgumentError as error:
        # TensorFlow reads every sound JPEG, PNG and GIF, and Pillow would let some truncated ones pass.
        if header.image_format == "BMP":
            return None
        raise Rejected(f"truncated or damaged {header.image_format}") from error


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def _examine_in_graph(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    return tuple(examine(data))


def _examine(data: bytes, header: Header) -> tuple[bytes, int, Optional[str]]:
    """Returns what the graph decodes, the orientation that it applies, and why it refuses the image if so."""
    exif_name = EXIF_NAMES.get(header.image_format)
    if exif_name is not None and exif_name not in data:
        return data, 1, None
    try:
        contents, orientation, misread = (tensor.numpy() for tensor in _examine_in_graph(data))
    except tf.errors.InvalidArgumentError as error:  # frames of a GIF are decoded there
        raise Rejected(f"truncated or damaged {header.image_format}") from error
    return contents, int(orientation), misread.decode() or None


def _pillow_agrees(data: bytes, pixels: np.ndarray | None) -> bool:
    return pixels is not None and np.array_equal(_decode_with_pillow(data), pixels)


def _decode_with_pillow(data: bytes) -> np.ndarray:
    """Returns uint8 [height, width, 3] RGB pixels, upright."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            settle_orientation(image)
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):  # 16 bits: PNG and PGM as I;16 or I
                grey = (np.asarray(upright).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
                return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
            return np.asarray(upright.convert("RGB"))
    except Exception as error:  # Pillow lets through whatever damaged data trips over
        raise Rejected(f"cannot be decoded: {error}") from error
