"""Levels of more than 8 bits are scaled to 0..255 by their range, and never clipped."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.support.image_files import coded, decode


def sixteen_bit_rgb(levels: np.ndarray) -> bytes:
    """A 16-bit RGB PNG, which Pillow reads but cannot write, of levels (H, W, 3)."""
    header = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def test_sixteen_bit_color_keeps_its_upper_byte():
    levels = np.array([[[0, 32768, 65535]]])
    assert decode(sixteen_bit_rgb(levels))[0, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([0, 32768, 65535], [0, 128, 255]),  # all 16 bits in use
        ([0, 2048, 4095], [0, 128, 255]),  # a 12-bit sensor
        ([0, 100, 200], [0, 100, 200]),  # 8 bits in a 16-bit file
        ([0, 0, 0], [0, 0, 0]),
    ],
)
def test_deep_gray_is_scaled_by_the_bits_in_use_and_never_clipped(levels, expected, file_format):
    image = Image.fromarray(np.array([levels], dtype=np.uint16))
    found = decode(coded(image, file_format))
    assert found[0, :, 0].tolist() == expected
    assert (found == found[:, :, :1]).all()


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),  # a probability or a linear level
        ([0.0, 100.0, 200.0], [0, 100, 200]),  # 8-bit levels
        ([-1000.0, 0.0, 1000.0], [0, 128, 255]),  # a measurement, such as Hounsfield units
        ([0.0, float("nan"), 1.0], [0, 0, 255]),
        ([0.0, float("inf"), 1.0], [0, 255, 255]),
        ([float("nan")] * 3, [0, 0, 0]),
        ([7000.0] * 3, [0, 0, 0]),  # flat, with no range to be scaled by
    ],
)
def test_a_float_tiff_is_scaled_by_its_range(levels, expected):
    image = Image.fromarray(np.array([levels], dtype=np.float32))
    assert decode(coded(image, "TIFF"))[0, :, 0].tolist() == expected


def test_signed_levels_are_stretched():
    image = Image.fromarray(np.array([[-500, 0, 500]], dtype=np.int32))
    assert decode(coded(image, "TIFF"))[0, :, 0].tolist() == [0, 128, 255]
