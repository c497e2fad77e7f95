"""Boundary F-score (Csurka et al. 2013): how well contours meet, whatever the area inside."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.evaluation.contours import TOLERANCE, contour, grow, tolerance_px
from benchmarks.datasets import IGNORE


def boundary_f(
    truth: NDArray[np.uint8], answer: NDArray[np.integer[Any]], tolerance: float = TOLERANCE
) -> float:
    """Mean over the truth's classes of the F-score of contours, 0..1; NaN where it has none.

    Both are class indices (H, W). A contour pixel is met when the other contour passes within
    `tolerance`; ignored pixels (255 in `truth`) bear no contour.
    """
    height, width = truth.shape
    reach_px = tolerance_px((height, width), tolerance)
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
