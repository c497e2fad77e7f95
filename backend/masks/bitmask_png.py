"""Codec of Label Studio's bitmask regions: a PNG in a data: URL, with the mask as alpha."""

import base64
import binascii
import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.errors import RequestError

_PREFIX = "data:image/png;base64,"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TWO_COLORS = b"\xff\xff\xff" * 2  # a palette of white twice, with different alpha


def encode_bitmask(mask: NDArray[np.bool_]) -> str:
    """The data: URL of a 1-bit PNG of a bool mask (H, W): opaque where True, else transparent."""
    height_px, width_px = mask.shape
    scanlines = np.insert(np.packbits(mask, axis=1), 0, 0, axis=1)  # each begins with "no filter"
    # Run-length matching alone is 2 to 8 times as fast, and files of ragged masks stay as small.
    deflate = zlib.compressobj(strategy=zlib.Z_RLE)
    palette_1_bit = struct.pack(">IIBBBBB", width_px, height_px, 1, 3, 0, 0, 0)
    png = _SIGNATURE + b"".join(
        _chunk(kind, data)
        for kind, data in (
            (b"IHDR", palette_1_bit),
            (b"PLTE", _TWO_COLORS),
            (b"tRNS", b"\x00\xff"),  # alpha of the two colors
            (b"IDAT", deflate.compress(scanlines.tobytes()) + deflate.flush()),
            (b"IEND", b""),
        )
    )
    return _PREFIX + base64.b64encode(png).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def decode_bitmask(
    data_url: str, *, height_px: int, width_px: int, threshold: int = 127
) -> NDArray[np.bool_]:
    """The bool mask (H, W) of a PNG's data: URL: alpha > threshold, all True without alpha.

    Raises RequestError if it is not a PNG of this size; the size is checked before decompression.
    """
    if not isinstance(data_url, str) or not data_url.startswith(_PREFIX):
        raise RequestError(f"A bitmask must be a URL that begins with {_PREFIX}")
    try:
        png = base64.b64decode(data_url[len(_PREFIX) :], validate=True)
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            if image.size != (width_px, height_px):
                raise RequestError(
                    f"The bitmask has {image.width} x {image.height} pixels, "
                    f"but its image has {width_px} x {height_px}"
                )
            alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    except (
        binascii.Error,
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
    ) as error:
        raise RequestError(f"The bitmask is not a PNG that can be read: {error}") from error
    return alpha > threshold
