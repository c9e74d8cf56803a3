"""Which files are images, by name: the formats that are read, and what else lies beside images.

Names decide only whom to ask; what a file really is, its content says (headers.py).
"""

import mimetypes
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

# Beside Python's own table of suffixes. A person counts these as images too: left out in silence they would be a
# loss that nobody sees.
_IMAGES_NOT_READ = {
    "pictures": ".heic .heif .hif .jxl .jxr .svgz .eps .ai .psd .psb .xcf .tga .dds .exr .pcx .dcm",
    "raw data of cameras": ".3fr .arw .cr2 .cr3 .crw .dng .erf .kdc .nef .nrw .orf .pef .raf .raw .rw2 .srw .x3f",
}
_SIDECARS = {
    "annotations": ".aae .geojson .jsonl .lst .names .ndjson .toml .xmp .yaml .yml",
    "where a map lies": ".aux .bpw .gfw .jgw .pgw .prj .tfw .wld",
    "notes": ".cfg .conf .docx .ini .lnk .log .md .md5 .odp .odt .pptx .rst .sha1 .sha256 .url",
    "tables and arrays": ".arrow .avro .feather .hdf5 .mat .npy .npz .ods .parquet .pickle .pkl .xlsm .xlsx",
    "databases": ".db .lmdb .mdb .sqlite .sqlite3 .tfrec .tfrecord .tfrecords",
    "models": ".ckpt .keras .onnx .pb .pt .pth .tflite",
    "archives": ".7z .lz4 .rar .zst",
    "sound and films": ".flac .flv .m2ts .m4a .m4v .mkv .mts .oga .ogg .ogv .wma .wmv",
    "code": ".cc .cpp .hpp .ipynb .java .m .ts",
}


def _suffixes(table: dict[str, str]) -> set[str]:
    return {suffix for row in table.values() for suffix in row.split()}


_PYTHON = mimetypes.MimeTypes()  # without arguments it reads no file of the machine
_MIME_TYPES = {suffix: mime_type for table in _PYTHON.types_map for suffix, mime_type in table.items()}
IMAGE_SUFFIXES = frozenset(
    {suffix for row in FORMATS.values() for suffix in row.suffixes}
    | {suffix for suffix, mime_type in _MIME_TYPES.items() if mime_type.startswith("image/")}
    | _suffixes(_IMAGES_NOT_READ)
)
# "application/octet-stream" (.bin) says nothing.
SIDECAR_SUFFIXES = (
    frozenset(
        {suffix for suffix, mime_type in _MIME_TYPES.items() if mime_type != "application/octet-stream"}
        | {suffix.lower() for suffix in (*_PYTHON.encodings_map, *_PYTHON.suffix_map)}
        | _suffixes(_SIDECARS)
    )
    - IMAGE_SUFFIXES
)


def has_image_suffix(name: str) -> bool:
    """True for a name such as photo.JPG, and for one of an image that cannot be read, such as photo.heic."""
    return _suffix(name) in IMAGE_SUFFIXES


def has_sidecar_suffix(name: str) -> bool:
    """True for a name such as photo.xml: what it names lies beside an image, and is not one."""
    return _suffix(name) in SIDECAR_SUFFIXES


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
