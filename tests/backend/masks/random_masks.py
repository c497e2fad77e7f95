"""Masks for the tests of outlines and polygons, and ways to count and to fill."""

import cv2
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backend.masks.polygons import polygon_to_mask

small_masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14))


def dense_mask(seed: int) -> np.ndarray:
    """A mask of up to 60 x 60 pixels in parts of all sizes, with holes, islands and specks."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(rng.integers(1, 61, 2))
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.3, 3)), np.float64)
    return smooth > np.quantile(smooth, rng.uniform(0.1, 0.9))


dense_masks = st.integers(0, 2**32 - 1).map(dense_mask)


def spiral_mask(side_px: int) -> np.ndarray:
    """One line of one pixel, wound up with one pixel between: a single outline of many sides."""
    mask = np.zeros((side_px, side_px), np.bool_)
    y, x, step = 0, 0, (0, 1)
    mask[0, 0] = True
    for length in (side_px - 1, *np.repeat(np.arange(side_px - 1, 1, -2), 2)):
        for _ in range(length):
            y, x = y + step[0], x + step[1]
            mask[y, x] = True
        step = (step[1], -step[0])
    return mask


def components(mask: np.ndarray, connectivity: int) -> list[np.ndarray]:
    """Each connected component of a mask, as a mask."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=connectivity)
    return [labels == label for label in range(1, count)]


def holes_of(part: np.ndarray) -> list[np.ndarray]:
    """What a part encloses: each 4-connected component of the rest but for the outside."""
    return [
        hole[1:-1, 1:-1] for hole in components(~np.pad(part, 1), connectivity=4) if not hole[0, 0]
    ]


def winding_fill(polygons: list[np.ndarray], hw: tuple[int, ...]) -> np.ndarray:
    """The pixels whose centers a polygon (N, 2) winds around; as in browsers."""
    mask = np.zeros(hw, np.bool_)
    for polygon in polygons:
        mask |= polygon_to_mask(polygon, height_px=hw[0], width_px=hw[1])
    return mask


def even_odd_fill(polygons: list[np.ndarray], hw: tuple[int, ...]) -> np.ndarray:
    """The pixels from whose centers a ray to the left crosses a polygon an odd number of times."""
    y, x = np.indices(hw) + 0.5
    mask = np.zeros(hw, np.bool_)
    for polygon in polygons:
        inside = np.zeros(hw, np.bool_)
        for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            if y0 != y1:
                inside ^= ((y0 < y) != (y1 < y)) & (x0 + (y - y0) * (x1 - x0) / (y1 - y0) < x)
        mask |= inside
    return mask


def iou(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())
