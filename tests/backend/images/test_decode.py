"""Bytes of every kind in, what a browser would show out, or one ImageError that says why not."""

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from backend.errors import ImageBroken, ImageError, ImageTooLarge
from backend.images.decode import FORMATS, decode_image

MAX_PIXELS = 1_000_000
RED, WHITE = (255, 0, 0), (255, 255, 255)


def decode(data: bytes, **options) -> np.ndarray:
    return decode_image(data, **{"max_pixels": MAX_PIXELS, **options})


def coded(image: Image.Image, file_format: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def gradient(height_px: int = 20, width_px: int = 40) -> np.ndarray:
    rows, columns = np.mgrid[:height_px, :width_px]
    return np.stack([rows * 9, columns * 6, rows + columns], axis=2).astype(np.uint8)


def png(width_px: int, height_px: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))


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


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_many_is_shown(file_format):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "lime", "blue")]
    data = coded(frames[0], file_format, save_all=True, append_images=frames[1:])
    np.testing.assert_allclose(decode(data)[4, 4], RED, atol=4)


def test_an_image_above_the_pixel_limit_names_the_setting():
    with pytest.raises(ImageTooLarge, match=r"100000 x 100000 pixels.*IMAGE_MAX_MPX"):
        decode(png(100_000, 100_000))


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
        (b'{"detail": "Not found."}', "application/json", r"application/json, 24 bytes.*detail"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "", "no image"),  # Ghostscript
        (b"\x00\x01\x02", "image/png", r"received image/png, 3 bytes, starting b'\\x00"),
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
        decode(png(10, 10))


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
