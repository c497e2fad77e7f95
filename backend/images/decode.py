"""Decodes image files to RGB arrays as browsers show them.

Masks are drawn over the image in the browser, so orientation, transparency and the choice of frame
follow the browser, at full resolution (without JPEG draft mode). The bytes are untrusted: only
bitmap decoders are enabled (Pillow's EPS decoder would start Ghostscript).
"""

import io
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from backend.errors import ImageBroken, ImageError, ImageTooLarge, Overloaded
from backend.images.file_end import complete_in_many_ways
from backend.images.memory_budget import MemoryBudget
from backend.images.pixels import upright_rgb

# Pillow's pixel limit is a global of the process; `DecodeLimits` are checked instead.
Image.MAX_IMAGE_PIXELS = None

FORMATS = ("JPEG", "MPO", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "JPEG2000", "PPM")

# Bytes a pixel that the decoder itself takes at most, beside Pillow's image and the result: as
# measured by benchmarks.decoding, rounded up. A progressive JPEG keeps all its coefficients.
DECODER_BYTES = {
    "JPEG": 6, "MPO": 6, "PNG": 1, "GIF": 4, "WEBP": 11, "AVIF": 10, "BMP": 1, "TIFF": 8,
    "JPEG2000": 18, "PPM": 8,
}  # fmt: skip
MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}  # others: 4
RGB_BYTES = 3
PIECE_BYTES = 64 * 2**20  # of the pieces that become RGB
MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]{1,60}", re.IGNORECASE)
PLAIN_DECODER_ERRORS = ("image file is truncated", "broken data stream", "unrecognized data stream",
                        "Truncated File Read", "decoder error", "encoder error")  # fmt: skip


@dataclass(frozen=True)
class DecodeLimits:
    max_pixels: int
    memory: MemoryBudget | None = None  # shared by all that decode; None: not bounded
    timeout_s: float = 0.0  # to wait for memory


def decode_image(data: bytes, limits: DecodeLimits, *, content_type: str = "") -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) of the first frame, upright, transparent pixels blended over white.

    `content_type`, as the server sent it, only appears in error messages.
    Raises ImageTooLarge above the limits, Overloaded if no memory became free, ImageBroken for
    bytes that are not a whole image.
    """
    try:
        return _decode_whole(data, limits)
    except (ImageError, Overloaded):
        raise
    except MemoryError as error:
        raise ImageTooLarge(
            f"There is not enough memory to decode this image of {len(data)} bytes: shrink it, or "
            "lower IMAGE_MAX_MPX so that such images are refused earlier."
        ) from error
    except UnidentifiedImageError as error:
        raise ImageBroken(_describe_non_image(data, content_type)) from error
    except Exception as error:  # Pillow's decoders raise many types for damaged data
        if (restored := _decode_without_end(data, limits)) is not None:
            return restored
        rows = (
            f"; about {error.share:.0%} of its rows are there"
            if isinstance(error, _Partial)
            else ""
        )
        raise ImageBroken(
            f"The image breaks off or is damaged ({_describe_bytes(data, content_type)}{rows}; the "
            f"decoder says: {_describe_decoder_error(error)}): open and save it again, or "
            "re-upload it."
        ) from error


class _Partial(Exception):
    """A decoder failed after some rows."""

    def __init__(self, reason: str, share: float) -> None:
        super().__init__(reason)
        self.share = share  # of the rows, 0 to 1


def _decode_whole(data: bytes, limits: DecodeLimits) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=_available_formats()) as image:
        width_px, height_px = image.size
        if width_px * height_px > limits.max_pixels:
            raise ImageTooLarge(
                f"The image has {width_px} x {height_px} pixels, {limits.max_pixels / 1e6:g} "
                "million are allowed: shrink it, or raise IMAGE_MAX_MPX."
            )
        if limits.memory is None:
            return _load_upright(image)
        with limits.memory.reserve(bytes_to_decode(image), limits.timeout_s) as reserved:
            rgb = _load_upright(image)
            image.close()
            reserved.keep_for(rgb)
            return rgb


def bytes_to_decode(image: Image.Image) -> int:
    """Memory to decode an opened image, at most, by what its header says."""
    a_pixel = MODE_BYTES.get(image.mode, 4) + RGB_BYTES + DECODER_BYTES[image.format or "PNG"]
    return image.width * image.height * a_pixel + PIECE_BYTES


def _load_upright(image: Image.Image) -> NDArray[np.uint8]:
    try:
        image.load()
    except OSError as error:
        box = image.im.getbbox() if image.im else None  # of what is not black
        if box is None or box[3] > 0.95 * image.height:  # or interlaced: some of all rows
            raise
        raise _Partial(str(error), box[3] / image.height) from error
    return upright_rgb(image, _orientation(image))


def _decode_without_end(data: bytes, limits: DecodeLimits) -> NDArray[np.uint8] | None:
    """The pixels of a file that lacks only its end marker; None for any other."""
    try:
        completed = (_decode_whole(one, limits) for one in complete_in_many_ways(data))
        image = next(completed, None)
        is_whole = image is not None and all(np.array_equal(image, other) for other in completed)
    except Overloaded:
        raise
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
    """Kind and length. None of the bytes: what came may be for others' eyes."""
    kind = MEDIA_TYPE.match(content_type.strip())
    return f"received {kind[0] + ', ' if kind else ''}{len(data)} bytes"


def _describe_decoder_error(error: Exception) -> str:
    """What a decoder says, if no part of the file can be in it."""
    said = str(error)
    is_plain = isinstance(error, _Partial) or said.startswith(PLAIN_DECODER_ERRORS)
    return said if is_plain and said.isprintable() and len(said) < 100 else type(error).__name__
