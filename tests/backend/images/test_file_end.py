"""A file that lacks only its end is shown as browsers show it; one that lacks pixels is refused."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.errors import ImageBroken
from tests.support.image_files import coded, decode, gradient

NOISE = np.random.default_rng(0).integers(0, 256, (60, 75, 3), dtype=np.uint8)
IMAGES = [Image.fromarray(NOISE), Image.fromarray(gradient(120, 90)), Image.new("RGB", (90, 70))]
JPEG_OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("RGB", {}),
    ("L", {}),
    ("CMYK", {}),
    ("RGB", {"quality": 95, "subsampling": 0}),
    ("RGB", {"progressive": True}),
    ("RGB", {"restart_marker_rows": 1}),
    ("RGB", {"restart_marker_blocks": 1}),
    ("RGB", {"restart_marker_rows": 1, "progressive": True}),
]
JPEGS = [
    coded(image.convert(mode), "JPEG", **options)
    for image in IMAGES
    for mode, options in JPEG_OPTIONS
]


@pytest.mark.parametrize("cut_bytes", [1, 2])
@pytest.mark.parametrize("data", JPEGS, ids=range(len(JPEGS)))
def test_a_jpeg_without_its_end_marker_has_the_same_pixels(data, cut_bytes):
    assert np.array_equal(decode(data[:-cut_bytes]), decode(data))


def test_zeros_behind_a_jpeg_do_not_count_as_its_end():
    data = JPEGS[0]
    assert np.array_equal(decode(data[:-2] + bytes(40)), decode(data))


@pytest.mark.parametrize("data", JPEGS, ids=range(len(JPEGS)))
def test_a_jpeg_that_lacks_pixels_is_never_shown_with_others(data):
    """Cut at every place near its end, which are the places that are hard to tell."""
    whole = decode(data)
    for cut_bytes in range(3, min(150, len(data) // 2)):
        try:
            found = decode(data[:-cut_bytes])
        except ImageBroken:
            continue
        assert np.array_equal(found, whole), cut_bytes


def test_a_progressive_jpeg_that_ends_between_two_scans_is_refused():
    data = coded(Image.fromarray(gradient(120, 90)), "JPEG", progressive=True)
    last_scan = data.rindex(b"\xff\xda")
    tables = data.rfind(b"\xff\xc4", 0, last_scan)
    for end in (tables, last_scan):
        with pytest.raises(ImageBroken, match="breaks off"):
            decode(data[:end])


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "PPM"])  # from above
def test_a_file_cut_at_four_fifths_says_how_much_is_there(file_format):
    levels = np.random.default_rng(0).integers(100, 256, (400, 300, 3), dtype=np.uint8)
    data = coded(Image.fromarray(levels), file_format, interlace=False)
    with pytest.raises(ImageBroken, match=r"about (7[5-9]|8[0-5])% of its rows are there"):
        decode(data[: len(data) * 4 // 5])


@pytest.mark.parametrize(("file_format", "cut_bytes"), [("PNG", 4), ("PNG", 12), ("GIF", 1)])
def test_a_png_without_iend_and_a_gif_without_trailer_have_the_same_pixels(file_format, cut_bytes):
    data = coded(IMAGES[0], file_format)
    assert np.array_equal(decode(data[:-cut_bytes]), decode(data))


def webp_of_odd_length() -> bytes:
    for seed in range(100):
        noise = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        data = coded(Image.fromarray(noise), "WEBP", lossless=True)
        if int.from_bytes(data[16:20], "little") % 2:
            return data
    raise AssertionError("no WebP of odd length")


def test_a_webp_without_its_padding_has_the_same_pixels_and_a_cut_one_is_refused():
    data = webp_of_odd_length()
    assert np.array_equal(decode(data[:-1]), decode(data))
    with pytest.raises(ImageBroken):
        decode(data[:-2])
