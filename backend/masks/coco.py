"""Masks as COCO has them: run lengths down the columns, boxes, and polygons for YOLO.

Format: Lin et al. 2014, as cocodataset.org describes it; runs as a list ("uncompressed").
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.masks.polygons import mask_to_polygons


def coco_segmentation(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Of a bool mask (H, W): its size, and lengths of runs off, on, off, … column by column."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(edges, prepend=0, append=flat.size)
    starts_on = bool(flat.size and flat[0])
    return {"size": list(mask.shape), "counts": [0] * starts_on + counts.tolist()}


def coco_box(mask: NDArray[np.bool_]) -> list[int]:
    """x, y, width and height in pixels of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top]


def yolo_polygons(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """The parts of a bool mask (H, W) as polygons (N, 2) of shares of width and height, 0 to 1."""
    size_xy = np.array(mask.shape[::-1], np.float64)
    return [polygon / size_xy for polygon in mask_to_polygons(mask) if len(polygon) >= 3]
