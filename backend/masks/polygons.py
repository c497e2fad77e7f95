"""Masks as polygons and back, in pixels: x and y of pixel corners, not of pixel centers.

Label Studio's polygons have no holes: each hole is joined to the outline by a cut of no width.
"""

import logging
import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from backend.masks.outlines import Outline, mask_outlines

Mask = npt.NDArray[np.bool_]  # (H, W)
Points = npt.NDArray[Any]  # (N, 2) of x, y

MAX_CROSSINGS = 5_000_000  # of a polygon's edges with rows of pixels, while it is filled
CROSSINGS_AT_ONCE = 200_000
MAX_CHANGES = 2_000_000  # from pixel to pixel along the rows: beyond, masks are traced coarsely
THIN_LINE_SIDES = 16  # a thin line is at least so many times as long as what takes it away wide
THIN_TOLERANCE = 0.3  # of its outline, in half pixels
PIECE_POINTS = 4096  # Douglas-Peucker takes quadratic time at worst: long outlines go in pieces

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PolygonConfig:
    """What is left out of polygons. The tolerances were chosen by benchmarks.polygons: with fewer
    points, a higher IoU than corners of pixels simplified by 1 pixel, on label maps of all kinds.
    """

    tolerance: float = 0.0005  # of the longer side: how far a simplified outline may stray,
    tolerance_px: float = 0.7  # at least this,
    tolerance_of_width: float = 0.2  # at most this of area over perimeter: for thin parts,
    tolerance_of_size: float = 0.015  # and this of the square root of the area: for small parts
    speck_area: float = 3e-5  # of the image: smaller parts and holes are left out,
    speck_px: int = 16  # at least these
    max_parts: int = 50  # the largest ones; more than that nobody corrects by hand
    max_holes: int = 1000  # of each part, the largest ones


DEFAULT = PolygonConfig()


def mask_to_polygons(mask: Mask, config: PolygonConfig = DEFAULT) -> list[Points]:
    """The 8-connected parts of a bool mask (H, W), largest first: closed polygons (N, 2) of x, y.

    Specks are left out, unless there is nothing else: then the largest is kept.
    """
    left, top, width_px, height_px = cv2.boundingRect(mask.view(np.uint8))
    if not width_px:
        return []
    cropped, scale = _traceable(mask[top : top + height_px, left : left + width_px])
    parts = mask_outlines(
        cropped,
        max(config.speck_px, config.speck_area * mask.size) / scale**2,
        max_parts=config.max_parts,
        max_holes=config.max_holes,
    )
    tolerance_px = max(config.tolerance_px, config.tolerance * max(mask.shape)) / scale
    near_thin = _near_thin_lines(cropped, tolerance_px)
    offset = np.array([left, top])
    limit = offset + np.array([width_px, height_px])
    return [
        np.minimum(_polygon(part, tolerance_px, near_thin, config) * (scale / 2) + offset, limit)
        for part in parts
    ]


def _traceable(mask: Mask) -> tuple[Mask, int]:
    """The mask at full, half, quarter, ... resolution, and by how much: the finest with at most
    MAX_CHANGES, which take about a second and 300 MB to trace.

    A pixel of half the resolution is set if two of its four are.
    """
    scale = 1
    while mask.size > MAX_CHANGES < _n_sides(mask):
        padded = np.pad(mask, [(0, side % 2) for side in mask.shape]).view(np.uint8)
        quarters = [padded[row::2, column::2] for row in (0, 1) for column in (0, 1)]
        counts = np.sum(quarters, axis=0, dtype=np.uint8)
        mask, scale = counts >= min(2, counts.max()), 2 * scale
    if scale > 1:
        log.warning("A mask with long outlines is traced at 1/%d of its resolution.", scale)
    return mask, scale


def _n_sides(mask: Mask) -> int:
    """Vertical sides of pixels on outlines: changes within the rows, and those at their ends."""
    within = np.count_nonzero(mask[:, 1:] != mask[:, :-1])
    return int(within + np.count_nonzero(mask[:, 0]) + np.count_nonzero(mask[:, -1]))


def _near_thin_lines(mask: Mask, tolerance_px: float) -> Mask:
    """Pixels (H, W) in and beside those parts of a mask that the tolerance could take away.

    Such as the string of a balloon: its polygon is not thin as a whole.
    """
    side_px = 2 * math.ceil(tolerance_px) + 1
    pixels = mask.view(np.uint8)
    square = np.ones((side_px, side_px), np.uint8)
    thin = cv2.subtract(pixels, cv2.morphologyEx(pixels, cv2.MORPH_OPEN, square))
    around, _ = cv2.findContours(thin, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    least = 2 * THIN_LINE_SIDES * side_px  # there and back
    lines = np.zeros_like(pixels)
    for contour in around:
        if len(contour) >= least:
            lines[contour[:, 0, 1], contour[:, 0, 0]] = 1
    return np.greater(cv2.dilate(lines, np.ones((3, 3), np.uint8)), 0)


def _polygon(part: Outline, tolerance_px: float, near_thin: Mask, config: PolygonConfig) -> Points:
    """A part with its holes as one simplified polygon (N, 2), in half pixels."""
    rings = (part, *part.holes)
    lengths_px = [cv2.arcLength(ring.half_px, closed=True) / 2 for ring in rings]
    # Half the width of the band that the rings leave between them, if it is long and even.
    band_px = (2 * part.area_px - sum(ring.area_px for ring in rings)) / sum(lengths_px)
    simplified = []
    for ring, length_px in zip(rings, lengths_px, strict=True):
        of_width_px = config.tolerance_of_width * min(ring.area_px / length_px, band_px)
        of_size_px = config.tolerance_of_size * math.sqrt(ring.area_px)
        tolerance = 2 * min(tolerance_px, of_width_px, of_size_px)
        simplified.append(_simplified_but_lines(ring.half_px, near_thin, tolerance))
    return _with_cuts(simplified[0], simplified[1:])


def _simplified_but_lines(points: Points, near_thin: Mask, tolerance: float) -> Points:
    """A closed outline (N, 2) in half pixels with fewer points; along thin lines with more."""
    x, y = np.minimum(points.T // 2, np.array(near_thin.shape)[::-1, None] - 1)
    is_thin = near_thin[y, x]
    if is_thin.all() or not is_thin.any():  # the tolerance is by its width already
        return _simplified(points, tolerance)
    first = int(np.flatnonzero(is_thin != np.roll(is_thin, 1))[0])
    points, is_thin = np.roll(points, -first, axis=0), np.roll(is_thin, -first)
    begins = np.flatnonzero(np.append(True, is_thin[1:] != is_thin[:-1]))
    closed = np.concatenate((points, points[:1]))
    runs = (
        _open_simplified(
            closed[begin : end + 1], min(tolerance, THIN_TOLERANCE) if is_thin[begin] else tolerance
        )
        for begin, end in zip(begins, [*begins[1:], len(points)], strict=True)
    )
    return np.concatenate(list(runs))


def _simplified(points: Points, tolerance: float) -> Points:
    """A closed outline (N, 2) with fewer points (Douglas-Peucker)."""
    if len(points) <= PIECE_POINTS:
        return cv2.approxPolyDP(points, tolerance, closed=True)[:, 0]
    return _open_simplified(np.concatenate((points, points[:1])), tolerance)


def _open_simplified(points: Points, tolerance: float) -> Points:
    """A line (N, 2) with fewer points and without its last one."""
    pieces = (
        cv2.approxPolyDP(points[first : first + PIECE_POINTS + 1], tolerance, closed=False)
        for first in range(0, len(points) - 1, PIECE_POINTS)
    )
    return np.concatenate([piece[:-1, 0] for piece in pieces])


def _with_cuts(outline: Points, holes: list[Points]) -> Points:
    """Join each hole by a short cut; holes run the other way round, as any fill rule needs.

    The cut goes there and back on one line, so it takes nothing away.
    """
    for hole in holes:
        j = _nearest(hole, outline[_nearest(outline, hole[0])])
        i = _nearest(outline, hole[j])
        outline = np.concatenate((outline[: i + 1], hole[j:], hole[: j + 1], outline[i:]))
    return outline


def _nearest(points: Points, point: Points) -> int:
    return int(np.argmin(np.abs(points - point).sum(axis=1)))


def polygon_to_mask(points: Points, *, height_px: int, width_px: int) -> Mask:
    """Fill a closed polygon (N, 2) of finite x, y as browsers do: bool (H, W).

    A pixel is inside if its center is, and a center if the outline winds around it. ValueError when
    the outline is too long to fill.
    """
    x0, y0 = points[:, 0].astype(np.float64), points[:, 1].astype(np.float64)
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    # The rows of pixels whose centers lie between the ends of each edge: (2, N), first and end.
    limits = np.ceil(np.sort(np.stack((y0, y1)), axis=0) - 0.5)
    first, end = np.clip(limits, 0, height_px).astype(np.int64)
    n_rows = end - first
    if n_rows.sum() > MAX_CROSSINGS:
        raise ValueError(f"it crosses {n_rows.sum()} rows of pixels; {MAX_CROSSINGS} at most")
    mask = np.zeros((height_px, width_px), np.bool_)
    is_crossing = n_rows > 0
    if not is_crossing.any():
        return mask
    top, bottom = first[is_crossing].min(), end[is_crossing].max()
    turns = np.zeros((bottom - top, width_px + 1), np.int16)
    # Some edges at a time, since each crossing takes 70 bytes.
    for edges in np.split(
        np.arange(n_rows.size), np.flatnonzero(np.diff(np.cumsum(n_rows) // CROSSINGS_AT_ONCE)) + 1
    ):
        rows = n_rows[edges]
        edge = np.repeat(edges, rows)
        row = np.arange(edge.size) - np.repeat(np.cumsum(rows) - rows, rows) + first[edge]
        slope = (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
        x = x0[edge] + (row + 0.5 - y0[edge]) * slope
        column = np.clip(np.ceil(x - 0.5), 0, width_px).astype(np.int64)
        np.add.at(turns, (row - top, column), np.where(y1 > y0, 1, -1).astype(np.int16)[edge])
    np.cumsum(turns, axis=1, out=turns)
    mask[top:bottom] = turns[:, :-1] != 0
    return mask
