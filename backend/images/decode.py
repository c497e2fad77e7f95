"""Decodes image files to RGB arrays as browsers show them.

Masks are drawn over the image in the browser, so orientation, transparency and the choice of frame
follow the browser, at full resolution (without JPEG draft mode). The bytes are untrusted: only
bitmap decoders are enabled (Pillow's EPS decoder would start Ghostscript).
"""

import io
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from backend.errors import ImageBroken, ImageError, ImageTooLarge
from backend.images.file_end import complete_in_many_ways

# Pillow's pixel limit is a global of the process; `max_pixels` below is checked instead.
Image.MAX_IMAGE_PIXELS = None

FORMATS = ("JPEG", "MPO", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "JPEG2000", "PPM")

# EXIF orientation -> the array (H, W, 3) upright. 1 and unknown values need no change.
EXIF_TRANSFORMS: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, k=-1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, k=1),
}


def decode_image(data: bytes, *, max_pixels: int, content_type: str = "") -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) of the first frame, upright, transparent pixels blended over white.

    `content_type`, as the server sent it, only appears in error messages.
    Raises ImageTooLarge above `max_pixels`, ImageBroken for bytes that are not a whole image.
    """
    try:
        return _decode_whole(data, max_pixels)
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageTooLarge(
            f"There is not enough memory to decode this image of {len(data)} bytes: shrink it, or "
            "lower IMAGE_MAX_MPX so that such images are refused earlier."
        ) from error
    except UnidentifiedImageError as error:
        raise ImageBroken(_describe_non_image(data, content_type)) from error
    except Exception as error:  # Pillow's decoders raise many types for damaged data
        if (restored := _decode_without_end(data, max_pixels)) is not None:
            return restored
        rows = (
            f"; about {error.share:.0%} of its rows are there"
            if isinstance(error, _Partial)
            else ""
        )
        raise ImageBroken(
            f"The image breaks off or is damaged ({_describe_bytes(data, content_type)}{rows}; the "
            f"decoder says: {str(error) or type(error).__name__}): open and save it again, or "
            "re-upload it."
        ) from error


class _Partial(Exception):
    """A decoder failed after some rows."""

    def __init__(self, reason: str, share: float) -> None:
        super().__init__(reason)
        self.share = share  # of the rows, 0 to 1


def _decode_whole(data: bytes, max_pixels: int) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=_available_formats()) as image:
        width_px, height_px = image.size
        if width_px * height_px > max_pixels:
            raise ImageTooLarge(
                f"The image has {width_px} x {height_px} pixels, {max_pixels / 1e6:g} million "
                "are allowed: shrink it, or raise IMAGE_MAX_MPX."
            )
        try:
            image.load()
        except OSError as error:
            box = image.im.getbbox() if image.im else None  # of what is not black
            if box is None or box[3] > 0.95 * height_px:  # or interlaced: some of all rows
                raise
            raise _Partial(str(error), box[3] / height_px) from error
        orientation = _orientation(image)
        rgb = _to_rgb(image)
    transform = EXIF_TRANSFORMS.get(orientation)
    return np.ascontiguousarray(transform(rgb) if transform else rgb)


def _decode_without_end(data: bytes, max_pixels: int) -> NDArray[np.uint8] | None:
    """The pixels of a file that lacks only its end marker; None for any other."""
    try:
        completed = (_decode_whole(one, max_pixels) for one in complete_in_many_ways(data))
        image = next(completed, None)
        is_whole = image is not None and all(np.array_equal(image, other) for other in completed)
    except Exception:  # the caller raises the error of the file as it is
        return None
    return image if is_whole else None


def _available_formats() -> list[str]:
    Image.init()  # AVIF and WebP are absent from some builds of Pillow
    return [name for name in FORMATS if name in Image.OPEN]


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8, where browsers apply it (tried: Chromium 156, Firefox 153).

    They do for JPEG, PNG and AVIF, not for WebP, and read the EXIF block alone, while Pillow's
    getexif() also reads the copy in XMP. Pillow's TIFF decoder applies it by itself.
    """
    if image.format == "WEBP":
        return 1
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif", b""))
        return int(exif.get(ExifTags.Base.Orientation, 1))
    except Exception:  # a damaged block, which browsers ignore
        return 1


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) of a loaded image of any mode, orientation as stored."""
    if image.mode.startswith("I") or image.mode == "F":
        gray = _scale_to_uint8(np.asarray(image))
        return np.repeat(gray[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        canvas = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(canvas, image)
    return np.array(image.convert("RGB"))  # a copy, since torch needs a writable array


def _scale_to_uint8(levels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Gray levels of more than 8 bits, scaled to 0..255 without clipping; a heuristic.

    Non-negative integers are scaled by the bit depth in use, since 10- and 12-bit sensors store in
    16 bits: with a maximum of 4000 that is 12 bits, and 4095 becomes 255. Floats within 0..1 or
    0..255 keep that range; others, and negative levels, are scaled from minimum to maximum.
    """
    values = levels.astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    if low >= 0 and levels.dtype.kind in "iu":
        low, high = 0.0, 2.0 ** max(8, math.ceil(math.log2(high + 1))) - 1
    elif low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    scale = 255 / (high - low) if high > low else 0.0
    scaled = np.nan_to_num((values - low) * scale, nan=0.0, posinf=255.0, neginf=0.0)
    return (scaled + 0.5).astype(np.uint8)


def _describe_non_image(data: bytes, content_type: str) -> str:
    """The error message for bytes that no decoder recognizes."""
    description = _describe_bytes(data, content_type)
    head = data[:256].lstrip().lower()
    if not data:
        return "The image file is empty (0 bytes): upload it again."
    if head.startswith((b"<!doctype", b"<html")):
        return (
            f"A web page came instead of the image ({description}), often a login page: check the "
            "URL, and LABEL_STUDIO_API_KEY when it is a Label Studio URL."
        )
    if b"<svg" in head:
        return f"SVG is a drawing, not pixels ({description}): convert it to PNG."
    known = ", ".join(FORMATS)
    return f"This is no image that can be read ({description}): convert it to one of {known}."


def _describe_bytes(data: bytes, content_type: str) -> str:
    kind = f"{content_type.split(';')[0].strip()}, " if content_type else ""
    return f"received {kind}{len(data)} bytes, starting {data[:16]!r}"
