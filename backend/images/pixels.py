"""Pixels of an opened image of any mode as RGB, piece by piece: little more memory than both take.

Pillow holds 1 to 4 bytes a pixel, the result is 3. Converted as a whole, an image of 16-bit levels
would take 39.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PIECE_PX = 2**20  # converted at once

Pixels = NDArray[np.uint8]

# EXIF orientation -> the upright array (H', W', 3) seen as the file stores it, (H, W, 3).
STORED_VIEWS: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, k=1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, k=-1),
}
TURNED = (5, 6, 7, 8)  # orientations whose width is the upright image's height

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels, ends excluded


def upright_rgb(image: Image.Image, orientation: int) -> Pixels:
    """RGB uint8 (H', W', 3) of a loaded image, turned as its EXIF orientation, 1 to 8, asks."""
    width_px, height_px = image.size
    if orientation in TURNED:
        upright: Pixels = np.empty((width_px, height_px, 3), np.uint8)
    else:
        upright = np.empty((height_px, width_px, 3), np.uint8)
    view = STORED_VIEWS.get(orientation)
    stored = view(upright) if view else upright
    to_rgb = _converter(image)
    for left, top, right, bottom in pieces(width_px, height_px):
        stored[top:bottom, left:right] = to_rgb(image.crop((left, top, right, bottom)))
    return upright


def pieces(width_px: int, height_px: int) -> Iterator[Box]:
    """Boxes of at most PIECE_PX that cover the image."""
    columns = min(width_px, PIECE_PX)
    rows = max(1, PIECE_PX // columns)
    for top in range(0, height_px, rows):
        for left in range(0, width_px, columns):
            yield left, top, min(left + columns, width_px), min(top + rows, height_px)


def _converter(image: Image.Image) -> Callable[[Image.Image], NDArray[np.uint8]]:
    """What makes RGB uint8 (h, w, 3), or gray (h, w, 1), of pieces of this image."""
    if image.mode.startswith("I") or image.mode == "F":
        scale = level_scale(
            np.asarray(image.crop(box)) for box in pieces(image.width, image.height)
        )
        return lambda piece: scale(np.asarray(piece))[:, :, None]
    if image.has_transparency_data:
        return _over_white
    return lambda piece: np.asarray(piece.convert("RGB"))


def _over_white(piece: Image.Image) -> NDArray[np.uint8]:
    white = Image.new("RGBA", piece.size, "white")
    return np.asarray(Image.alpha_composite(white, piece.convert("RGBA")).convert("RGB"))


def level_scale(
    parts: Iterator[NDArray[np.generic]],
) -> Callable[[NDArray[np.generic]], NDArray[np.uint8]]:
    """What scales gray levels of more than 8 bits, as in `parts`, to 0..255; a heuristic.

    Non-negative integers are scaled by the bit depth in use, since 10- and 12-bit sensors store in
    16 bits: with a maximum of 4000 that is 12 bits, and 4095 becomes 255. Floats within 0..1 or
    0..255 keep that range; others, and negative levels, are scaled from minimum to maximum.
    """
    low, high, kind = math.inf, -math.inf, ""
    for levels in parts:
        kind = levels.dtype.kind
        finite = levels[np.isfinite(levels)] if kind == "f" else levels
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if high < low:  # no level is a finite number
        low = high = 0.0
    if low >= 0 and kind in "iu":
        low, high = 0.0, 2.0 ** max(8, math.ceil(math.log2(high + 1))) - 1
    elif low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    factor = 255 / (high - low) if high > low else 0.0

    def scaled(levels: NDArray[np.generic]) -> NDArray[np.uint8]:
        with np.errstate(invalid="ignore"):  # infinities times a factor of 0
            values = (levels.astype(np.float64) - low) * factor
        values = np.nan_to_num(values, nan=0.0, posinf=255.0, neginf=0.0)
        return (values + 0.5).astype(np.uint8)

    return scaled
