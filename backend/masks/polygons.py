"""Masks as polygons and back, in pixels: x and y of pixel corners, not of pixel centres.

Label Studio's polygons have no holes: each hole is joined to the outline by a cut of no width.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from backend.masks.outlines import Ring, mask_outlines

MAX_CROSSINGS = 5_000_000  # of a polygon's edges with rows of pixels, while it is filled


@dataclass(frozen=True)
class PolygonConfig:
    tolerance: float = 0.0005  # of the longer side: how far a simplified outline may stray,
    tolerance_px: float = 1.0  # at least this
    tolerance_of_width: float = 0.12  # of area over perimeter, at most: for small and thin parts
    speck_area: float = 3e-5  # of the image: smaller parts and holes are left out,
    speck_px: int = 16  # at least these
    max_parts: int = 50  # the largest ones; more than that nobody corrects by hand


DEFAULT = PolygonConfig()


def mask_to_polygons(mask: np.ndarray, config: PolygonConfig = DEFAULT) -> list[np.ndarray]:
    """The parts of a bool mask (H, W), largest first: closed polygons (N, 2) of x, y.

    Specks are left out, unless there is nothing else: then the largest is kept.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return []
    corner_xy = np.array([columns[0], rows[0]])
    speck_px = max(config.speck_px, config.speck_area * mask.size)
    cropped = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    rings = mask_outlines(cropped, speck_px)

    parts = [ring for ring in rings if ring.area > 0][: config.max_parts]
    holes = [ring for ring in rings if ring.area < 0]
    polygons = []
    for part, own_holes in zip(parts, _holes_of(parts, holes, cropped), strict=True):
        outline, *cuts = (_simplified(ring, config, max(mask.shape)) for ring in (part, *own_holes))
        polygons.append(_with_cuts(outline, cuts) + corner_xy)
    return polygons


def _holes_of(parts: list[Ring], holes: list[Ring], mask: np.ndarray) -> list[list[Ring]]:
    """The holes in each part; holes of other parts are left out."""
    if not holes:
        return [[] for _ in parts]
    part_of = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[1]

    def number(ring: Ring) -> int:
        x, y = ring.inside_xy
        return int(part_of[int(y), int(x)])

    holes_in: dict[int, list[Ring]] = {}
    for hole in holes:
        holes_in.setdefault(number(hole), []).append(hole)
    return [holes_in.get(number(part), []) for part in parts]


def _simplified(ring: Ring, config: PolygonConfig, longer_side_px: int) -> np.ndarray:
    """Drop the corners that an outline does not need (Douglas-Peucker)."""
    corners = ring.corners.astype(np.int32)
    half_width_px = abs(ring.area) / cv2.arcLength(corners, closed=True)
    tolerance_px = min(
        max(config.tolerance_px, config.tolerance * longer_side_px),
        config.tolerance_of_width * half_width_px,
    )
    # Steps between pixels are 0.7 pixels off the line through them: below that all corners stay.
    return cv2.approxPolyDP(corners, tolerance_px, True)[:, 0] if tolerance_px > 0.5 else corners


def _with_cuts(outline: np.ndarray, holes: list[np.ndarray]) -> np.ndarray:
    """Join each hole at the nearest corners; holes run the other way round, as any fill rule needs.

    The cut goes there and back on one line, so it takes nothing away.
    """
    for hole in holes:
        distances = np.square(outline[:, None] - hole[None]).sum(axis=2)
        i, j = np.unravel_index(np.argmin(distances), distances.shape)
        outline = np.concatenate((outline[: i + 1], hole[j:], hole[: j + 1], outline[i:]))
    return outline


def polygon_to_mask(points: np.ndarray, *, height_px: int, width_px: int) -> np.ndarray:
    """Fill a closed polygon (N, 2) of finite x, y as browsers do: bool (H, W).

    A pixel is inside if its centre is, and a centre if the outline winds around it. ValueError when
    the outline is too long to fill.
    """
    x0, y0 = points[:, 0].astype(np.float64), points[:, 1].astype(np.float64)
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    # The rows of pixels whose centres lie between the ends of each edge: (2, N), first and end.
    limits = np.ceil(np.sort(np.stack((y0, y1)), axis=0) - 0.5)
    first, end = np.clip(limits, 0, height_px).astype(np.int64)
    n_rows = end - first
    if n_rows.sum() > MAX_CROSSINGS:
        raise ValueError(f"it crosses {n_rows.sum()} rows of pixels; {MAX_CROSSINGS} at most")
    edge = np.repeat(np.arange(n_rows.size), n_rows)
    row = np.arange(edge.size) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows) + first[edge]
    slope = (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
    x = x0[edge] + (row + 0.5 - y0[edge]) * slope
    column = np.clip(np.ceil(x - 0.5), 0, width_px).astype(np.int64)

    mask = np.zeros((height_px, width_px), np.bool_)
    if edge.size:
        top = row.min()
        turns = np.zeros((row.max() + 1 - top, width_px + 1), np.int16)
        np.add.at(turns, (row - top, column), np.where(y1 > y0, 1, -1).astype(np.int16)[edge])
        np.cumsum(turns, axis=1, out=turns)
        mask[top : top + len(turns)] = turns[:, :-1] != 0
    return mask
