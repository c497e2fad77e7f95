"""Image files of every kind come out as a browser shows them."""

import numpy as np
import pytest
from PIL import ExifTags, Image

from tests.support.image_files import coded, decode, gradient

RED, WHITE = (255, 0, 0), (255, 255, 255)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "PPM", "JPEG2000", "WEBP"])
def test_lossless_files_come_back_as_they_were(file_format):
    options = {"lossless": True} if file_format == "WEBP" else {}
    image = decode(coded(Image.fromarray(gradient()), file_format, **options))
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable
    np.testing.assert_array_equal(image, gradient())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_every_exif_orientation_is_turned_upright(orientation, file_format):
    stored = Image.fromarray(gradient())
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    upright = stored.transpose(turns[orientation]) if orientation > 1 else stored
    found = decode(coded(stored, file_format, exif=exif))
    np.testing.assert_array_equal(found, np.asarray(upright))


@pytest.mark.parametrize(
    ("file_format", "is_turned"),
    [("JPEG", True), ("PNG", True), ("AVIF", True), ("WEBP", False)],
)
def test_exif_turns_the_formats_that_browsers_turn(file_format, is_turned):
    if file_format not in Image.registered_extensions().values():
        pytest.skip(f"this Pillow has no {file_format}")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    found = decode(coded(Image.new("RGB", (40, 20), "red"), file_format, exif=exif.tobytes()))
    assert found.shape == ((40, 20, 3) if is_turned else (20, 40, 3))


def test_an_orientation_in_xmp_alone_is_left_as_browsers_leave_it():
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    assert decode(coded(Image.new("RGB", (40, 20)), "JPEG", xmp=xmp)).shape == (20, 40, 3)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow's, while it looks for a DPI
def test_a_damaged_exif_block_shows_the_image_as_stored():
    damaged = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff garbage"
    assert decode(coded(Image.new("RGB", (40, 20)), "JPEG", exif=damaged)).shape == (20, 40, 3)


def test_a_large_jpeg_keeps_its_full_resolution():
    assert decode(coded(Image.new("RGB", (1234, 567)), "JPEG")).shape == (567, 1234, 3)


def with_alpha() -> Image.Image:
    image = Image.new("RGBA", (2, 1), (*RED, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    return image


def palette_with_alpha() -> bytes:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, 0, 0, 0])
    image.putpixel((1, 0), 1)
    return coded(image, "PNG", transparency=b"\xff\x00")


@pytest.mark.parametrize(
    ("data", "pixels"),
    [
        (coded(with_alpha(), "PNG"), [RED, WHITE]),  # true color with alpha
        (palette_with_alpha(), [RED, WHITE]),  # a palette with an alpha for each color
        (coded(Image.new("LA", (1, 1), (0, 51)), "PNG"), [(204, 204, 204)]),  # one fifth of black
        (coded(Image.new("L", (1, 1), 100), "PNG", transparency=100), [WHITE]),  # one gray is air
        (coded(Image.new("RGB", (1, 1), RED), "PNG", transparency=RED), [WHITE]),  # one color is
        (coded(Image.new("P", (1, 1), 3), "GIF", transparency=3), [WHITE]),
    ],
)
def test_what_is_transparent_shows_the_white_canvas(data, pixels):
    assert [tuple(pixel) for pixel in decode(data)[0]] == pixels


@pytest.mark.parametrize(
    ("image", "file_format", "pixel"),
    [
        (Image.new("1", (3, 3), 1), "PNG", WHITE),
        (Image.new("L", (3, 3), 77), "PNG", (77, 77, 77)),
        (Image.new("CMYK", (3, 3), (0, 255, 255, 0)), "TIFF", RED),
        (Image.new("YCbCr", (16, 16), (128, 128, 128)), "JPEG", (128, 128, 128)),
    ],
)
def test_other_color_modes_become_rgb(image, file_format, pixel):
    found = decode(coded(image, file_format))
    assert found.shape == (image.height, image.width, 3)
    assert tuple(found[1, 1]) == pixel


def test_a_cmyk_jpeg_is_not_shown_as_its_negative():
    found = decode(coded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"))
    np.testing.assert_allclose(found, np.broadcast_to(RED, (16, 16, 3)), atol=4)


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_many_is_shown(file_format):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "lime", "blue")]
    data = coded(frames[0], file_format, save_all=True, append_images=frames[1:])
    np.testing.assert_allclose(decode(data)[4, 4], RED, atol=4)
