"""Which files are images, by name: the formats that are read, and what else lies beside images.

Names decide only whom to ask; what a file really is, its content says (headers.py). Imports nothing.
"""

import os
from typing import NamedTuple


class Format(NamedTuple):
    """A kind of image file that Pillow reads."""

    name: str  # Pillow's
    suffixes: tuple[str, ...]
    in_graph: bool  # tf.io.decode_image understands it; the others are converted to PNG


# Pillow reads more than these, but some formats run other programs (EPS: Ghostscript) or are recognised by
# almost any file (TGA).
FORMATS = {
    row.name: row
    for row in (
        Format("AVIF", (".avif", ".avifs"), in_graph=False),
        Format("BMP", (".bmp",), in_graph=True),
        Format("GIF", (".gif",), in_graph=True),
        Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), in_graph=True),
        Format("JPEG2000", (".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"), in_graph=False),
        Format("MPO", (".mpo",), in_graph=True),  # JPEGs in one file; read as the first of them
        Format("PNG", (".png", ".apng"), in_graph=True),
        Format("PPM", (".ppm", ".pgm", ".pbm", ".pnm"), in_graph=False),
        Format("TIFF", (".tif", ".tiff"), in_graph=False),
        Format("WEBP", (".webp",), in_graph=False),
    )
}

IMAGE_SUFFIXES = frozenset(suffix for row in FORMATS.values() for suffix in row.suffixes)


def has_image_suffix(name: str) -> bool:
    """True for a name such as photo.JPG."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
