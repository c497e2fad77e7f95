"""Images that are too large, damaged or none raise one ImageError that says why."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from backend.errors import ImageBroken, ImageError, ImageTooLarge
from backend.images.decode import FORMATS
from tests.support.image_files import MAX_PIXELS, coded, decode, gradient, png_without_pixels


def test_an_image_above_the_pixel_limit_names_the_setting():
    with pytest.raises(ImageTooLarge, match=r"100000 x 100000 pixels.*IMAGE_MAX_MPX"):
        decode(png_without_pixels(100_000, 100_000))


def test_the_limit_is_on_pixels_and_includes_its_own_value():
    data = coded(Image.new("RGB", (30, 20)), "PNG")
    assert decode(data, max_pixels=600).shape == (20, 30, 3)
    with pytest.raises(ImageTooLarge):
        decode(data, max_pixels=599)


def test_pixels_beyond_the_limit_of_pillow_are_fine_when_ours_allows_them():
    # Pillow warns from 89 million pixels on, and warnings are errors here.
    data = coded(Image.new("1", (10_000, 9_000)), "PNG")
    assert decode(data, max_pixels=90_000_000).shape == (9_000, 10_000, 3)


@pytest.mark.parametrize(
    ("data", "content_type", "message"),
    [
        (b"", "", "empty"),
        (b"<!DOCTYPE html><html>", "text/html; charset=utf-8", "web page.*text/html.*API_KEY"),
        (b"\n\n <html lang='en'>", "", "web page"),
        (b'<?xml version="1.0"?><svg xmlns="">', "image/svg+xml", "SVG.*convert it to PNG"),
        (b'{"detail": "Not found."}', "application/json", r"received application/json, 24 bytes\)"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "", "no image"),  # Ghostscript
        (b"\x00\x01\x02", "image/png", r"received image/png, 3 bytes\)"),
    ],
)
def test_what_is_no_image_is_named(data, content_type, message):
    with pytest.raises(ImageBroken, match=message):
        decode(data, content_type=content_type)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_a_file_that_breaks_off_is_refused_not_half_shown(file_format):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = coded(Image.fromarray(noise), file_format)
    with pytest.raises(ImageBroken):
        decode(data[: len(data) // 2])


def test_a_png_without_pixels_is_broken():
    with pytest.raises(ImageBroken, match="breaks off or is damaged"):
        decode(png_without_pixels(10, 10))


SEEDS = [
    coded(Image.fromarray(gradient(9, 7)), name)
    for name in FORMATS
    if name in Image.registered_extensions().values() or name == "MPO"
]


@settings(max_examples=300, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=4)), max_size=6),
    keep=st.floats(0, 1),
)
def test_damaged_files_decode_or_raise_an_image_error(seed, edits, keep):
    data = bytearray(seed)
    for place, new in edits:
        place %= len(data)
        data[place : place + len(new)] = new
    data = data[: int(len(data) * keep) if keep < 0.9 else None]
    try:
        image = decode(bytes(data))
    except ImageError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert image.shape[0] * image.shape[1] <= MAX_PIXELS


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.text(max_size=30))
def test_any_bytes_are_an_image_or_an_image_error(data, content_type):
    with suppress(ImageError):
        assert decode(data, content_type=content_type).ndim == 3
