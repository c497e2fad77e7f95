"""Images that are too large, damaged or none raise one ImageError that says why."""

import numpy as np
import pytest
from PIL import Image

from backend.errors import ImageBroken, ImageTooLarge
from tests.support.image_files import coded, decode, png_without_pixels


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
