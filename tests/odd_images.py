"""Encoded images as no library writes them on request: every variant that the formats allow, byte by byte."""

import struct
import zlib

import numpy as np

ORIENTATION_TAG = 0x0112


def noise(count: int, below: int = 256, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, below, count, dtype=np.uint8)


# GIF


def gif(canvas, frames, palette=None, flags=0xF7) -> bytes:
    """A GIF89a of a global palette of 256 colours; frames are made by `frame`."""
    palette = noise(768, seed=1).tobytes() if palette is None else palette
    header = b"GIF89a" + struct.pack("<HHBBB", *canvas, flags, 7, 0) + palette
    return header + b"".join(frames) + b";"


def frame(size, place=(0, 0), transparent=None, palette=b"", before=b"", interlaced=False, seed=2) -> bytes:
    """One picture of noise: a graphic control block, an image descriptor, its pixels."""
    flags = 0 if transparent is None else 1
    control = b"\x21\xf9\x04" + struct.pack("<BHB", flags, 10, transparent or 0) + b"\0"
    packed = (0x87 if palette else 0) | (0x40 if interlaced else 0)
    descriptor = b"," + struct.pack("<HHHHB", *place, *size, packed) + palette
    return before + control + descriptor + _gif_pixels(noise(size[0] * size[1], seed=seed))


def gif_comment(size: int) -> bytes:
    text = bytes(size)
    blocks = b"".join(
        bytes([len(block)]) + block for block in (text[i : i + 255] for i in range(0, size, 255))
    )
    return b"\x21\xfe" + blocks + b"\0"


def _gif_pixels(indices: np.ndarray) -> bytes:
    """LZW without compression: a clear code often enough that codes keep 9 bits (GIF89a, appendix F)."""
    codes, clear, end = [], 256, 257
    for number, index in enumerate(indices):
        codes += [clear, int(index)] if number % 120 == 0 else [int(index)]
    bits = sum(code << (9 * place) for place, code in enumerate([*codes, end]))
    data = bits.to_bytes((9 * (len(codes) + 1) + 7) // 8, "little")
    blocks = (data[i : i + 255] for i in range(0, len(data), 255))
    return b"\x08" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


# BMP


def bmp(bits, width=6, height=5, header_bytes=40, compression=0, masks=b"", palette=None, top_down=False):
    """A BMP of noise; the palette of up to 8 bits is noise as well, unless it is given."""
    entry_bytes = 3 if header_bytes == 12 else 4
    if palette is None:
        palette = noise(entry_bytes * 2**bits, seed=3).tobytes() if bits <= 8 else b""
    row_bytes = (width * bits + 31) // 32 * 4
    rows = noise(row_bytes * height, seed=4).tobytes()
    if compression == 1:  # RLE8: runs of one pixel
        line = b"".join(bytes([1, value]) for value in noise(width, seed=5))
        rows = (line + b"\0\0") * height + b"\0\1"
    if header_bytes == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        signed_height = -height if top_down else height
        sizes = (header_bytes, width, signed_height, 1, bits, compression, len(rows), 2835, 2835, 0, 0)
        info = struct.pack("<IiiHHIIiiII", *sizes)
        info += (masks + bytes(header_bytes))[: header_bytes - 40] if header_bytes > 40 else masks
    offset = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + info + palette + rows


GREY_PALETTE = bytes(value for grey in range(256) for value in (grey, grey, grey, 0))
MASKS_565 = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
MASKS_RGBX = struct.pack("<IIII", 0xFF000000, 0xFF0000, 0xFF00, 0)

# PNG


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(
    colour_type, depth, size=(9, 7), before=b"", behind=b"", interlaced=False, idat_bytes=1 << 20
) -> bytes:
    """A PNG of noise of any kind; `before` and `behind` are chunks around its pixels."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour_type]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour_type, 0, 0, int(interlaced)))
    palette = chunk(b"PLTE", noise(3 * 2**depth, seed=6).tobytes()) if colour_type == 3 else b""
    rows = b""
    for width, height in _adam7_sizes(*size) if interlaced else [size]:
        if width and height:
            row_bytes = (width * depth * channels + 7) // 8
            rows += b"".join(b"\0" + noise(row_bytes, seed=10 + row).tobytes() for row in range(height))
    data = zlib.compress(rows, 0)
    pixels = b"".join(chunk(b"IDAT", data[i : i + idat_bytes]) for i in range(0, len(data), idat_bytes))
    end = chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + palette + before + pixels + behind + end


def _adam7_sizes(width: int, height: int):
    for x, y, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)):
        yield (width - x + dx - 1) // dx, (height - y + dy - 1) // dy
    yield width, height // 2


# EXIF


def tiff(orientation, value_type=3, byte_order="II", count=1) -> bytes:
    """A TIFF directory as cameras write it: maker, orientation, resolution unit."""
    order = "<" if byte_order == "II" else ">"
    formats = {1: "B3x", 6: "b3x", 3: "H2x", 8: "h2x", 4: "I", 9: "i", 5: "I", 2: "4s"}
    value = struct.pack(order + formats[value_type], orientation)
    entries = [
        struct.pack(order + "HHI4s", 0x010F, 2, 4, b"cam\0"),
        struct.pack(order + "HHI", ORIENTATION_TAG, value_type, count) + value,
        struct.pack(order + "HHIHH", 0x0128, 3, 1, 2, 0),
    ]
    header = byte_order.encode() + struct.pack(order + "HI", 42, 8)
    return header + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)


def rational_tiff(orientation) -> bytes:
    """The orientation as a fraction, which lies behind the directory."""
    behind = len(tiff(1))
    return tiff(behind, value_type=5) + struct.pack("<II", orientation, 1)


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">HH", marker, len(content) + 2) + content


def behind_start(jpeg: bytes, *segments: bytes) -> bytes:
    """The JPEG with segments right behind its start."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def exif_segment(tiff_bytes: bytes) -> bytes:
    return segment(0xFFE1, b"Exif\0\0" + tiff_bytes)
