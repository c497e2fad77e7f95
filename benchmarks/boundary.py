"""Boundary F-score (Csurka et al. 2013): how well contours meet, whatever the area inside."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import IGNORE

TOLERANCE = 0.0075  # of the image's diagonal: 6 px at 640 x 480


def boundary_f(
    truth: NDArray[np.uint8], answer: NDArray[np.integer[Any]], tolerance: float = TOLERANCE
) -> float:
    """Mean over the truth's classes of the F-score of contours, 0..1; NaN where it has none.

    Both are class indices (H, W). A contour pixel is met when the other contour passes within
    `tolerance`; ignored pixels (255 in `truth`) bear no contour.
    """
    reach_px = max(1, round(tolerance * math.hypot(*truth.shape)))
    known = truth != IGNORE
    scores = []
    for index in np.unique(truth[known]):
        wanted = contour(truth == index, known)
        found = contour(answer == index, known)
        if wanted.any():
            precision = (found & grow(wanted, reach_px)).sum() / max(found.sum(), 1)
            recall = (wanted & grow(found, reach_px)).sum() / wanted.sum()
            scores.append(2 * precision * recall / max(precision + recall, 1e-9))
    return float(np.mean(scores)) if scores else float("nan")


def contour(mask: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask's pixels beside a known pixel outside it."""
    return mask & known & grow(~mask & known, 1)


def grow(mask: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
    side_px = 2 * reach_px + 1
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((side_px, side_px), np.uint8))
    return np.greater(grown, 0)
