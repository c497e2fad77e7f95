"""Contours of masks, and what lies near them."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

TOLERANCE = 0.0075  # of the image's diagonal, as Csurka et al. (2013): 6 px at 640 x 480


def tolerance_px(image_hw: tuple[int, int], tolerance: float = TOLERANCE) -> int:
    """How far contours may be apart and still meet."""
    return max(1, round(tolerance * math.hypot(*image_hw)))


def contour(mask: NDArray[np.bool_], known: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """The mask's pixels beside a pixel outside it; both `known`, if that is given."""
    known = np.ones_like(mask) if known is None else known
    return mask & known & grow(~mask & known, 1)


def grow(mask: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
    """The mask and all pixels up to `reach_px` from it, in both directions."""
    side_px = 2 * reach_px + 1
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((side_px, side_px), np.uint8))
    return np.greater(grown, 0)
