"""What an image file says about itself, read by Pillow without decoding a pixel.

Limits are enforced here, so that nothing oversized is ever decoded. Imports no TensorFlow.
"""

import io
from typing import NamedTuple, Optional

from PIL import Image

from components.image_example_gen.formats import FORMATS

ORIENTATION_TAG = 0x0112  # EXIF 2.32, table 4: 1 is upright, 5 to 8 swap width and height
PNG_BIT_DEPTH_OFFSET = 24  # PNG specification, 11.2.2: IHDR follows the signature, depth follows the sizes

# Pillow's own limit guards Image.open with a fixed number; ours comes from the config.
Image.MAX_IMAGE_PIXELS = None


class Rejected(Exception):
    """An image cannot be used; the message is the reason that the report gives."""


class NotAnImage(Rejected):
    """The content has no known image format. Where the name promises no image either, nothing is lost."""


class Header(NamedTuple):
    image_format: str  # JPEG, PNG, GIF, BMP, WEBP, TIFF, ...: the file as found
    width: int  # pixels, as stored: before orientation
    height: int
    channels: int  # 1, 2, 3 or 4: the file as found, a palette counting by its colours
    orientation: int  # EXIF orientation, 1 to 8, as Pillow reads it; 1 when there is none
    conversion: Optional[str]  # why it must become a PNG, such as "WEBP" or "16-bit PNG"


def read_header(data: bytes, max_megapixels: float) -> Header:
    """Reads the header of an encoded image.

    Args:
      data: the whole file.
      max_megapixels: limit on width x height, in millions.

    Raises:
      NotAnImage: when it has no known format.
      Rejected: when it is empty, damaged, of a kind without defined brightness, or over the limit.
    """
    if not data:
        raise Rejected("the file is empty")
    image = _open(data)
    with image:
        _check_size(image, max_megapixels)
        image_format = "JPEG" if image.format == "MPO" else image.format
        if image.mode in ("I", "F") and image_format == "TIFF":
            raise Rejected("32-bit pixels have no defined brightest value; save the image with 8 or 16 bits")
        orientation = _orientation(image, data)
        conversion = _conversion(image, image_format, data, max_megapixels)
        return Header(image_format, *image.size, _channels(image), orientation, conversion)


def _open(data: bytes) -> Image.Image:
    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]  # AVIF is not in every build
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except Image.UnidentifiedImageError:
        raise NotAnImage("not an image in a known format") from None
    except Exception as error:  # Pillow lets through whatever a damaged header trips over
        raise Rejected(f"damaged header: {error}") from error


def _check_size(image: Image.Image, max_megapixels: float) -> None:
    width, height = image.size
    megapixels = width * height / 1e6
    if megapixels > max_megapixels:
        raise Rejected(
            f"{width} x {height} pixels are {megapixels:.1f} megapixels, more than data.max_megapixels = "
            f"{max_megapixels:g}"
        )


def _channels(image: Image.Image) -> int:
    if image.mode in ("P", "PA"):
        return 4 if image.mode == "PA" or "transparency" in image.info else 3
    return len(image.getbands())


def settle_orientation(image: Image.Image) -> int:
    """Returns the orientation of an opened image, 1 to 8, and makes Pillow turn by that one alone.

    For formats that the graph decodes it is what the graph sees (modules/encoded_images.py): EXIF is the only
    word, and a byte is a number. Pillow also turns by XMP, and by the text in which old versions of
    ImageMagick kept EXIF.
    """
    if FORMATS[image.format].in_graph:
        for name in ("xmp", "XML:com.adobe.xmp", "Raw profile type exif"):
            image.info.pop(name, None)
    try:
        exif = image.getexif()
        orientation = exif.get(ORIENTATION_TAG, 1)
        if isinstance(orientation, bytes) and len(orientation) == 1:
            exif[ORIENTATION_TAG] = orientation = orientation[0]
    except Exception:  # damaged EXIF is common and says nothing about the pixels
        return 1
    return int(orientation) if orientation in range(1, 9) else 1


def _orientation(image: Image.Image, data: bytes) -> int:
    if image.format in ("GIF", "BMP") or (image.format == "PNG" and b"eXIf" not in data):
        return 1
    if image.format == "PNG":
        try:
            image.load()  # the chunk may stand behind the pixels
        except Exception:  # whether it can be decoded is for others to say
            return 1
    return settle_orientation(image)


def _conversion(image: Image.Image, image_format: str, data: bytes, max_megapixels: float) -> Optional[str]:
    if not FORMATS[image_format].in_graph:
        return image_format
    if image_format == "JPEG" and image.mode == "CMYK":
        return "CMYK JPEG"
    if image_format == "PNG" and data[PNG_BIT_DEPTH_OFFSET] > 8:
        return "16-bit PNG"
    if image_format == "GIF" and _all_frames_megapixels(image) > max_megapixels:
        # TensorFlow holds every frame in memory, even to return the first.
        return "GIF with many frames"
    return None


def _all_frames_megapixels(image: Image.Image) -> float:
    try:
        frames = image.n_frames
    except Exception as error:  # as in _open
        raise Rejected(f"truncated or damaged GIF: {error}") from error
    return frames * image.width * image.height / 1e6
