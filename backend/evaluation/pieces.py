"""Pieces to fix: what a person pays for the difference of a predicted mask and the right one."""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.evaluation.contours import grow

FORGIVEN_PX = 3  # at edges, that nobody would mend
SMALLEST_PIECE = 0.001  # of the image; smaller errors are not worth a stroke


def pieces_to_fix(
    drawn: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    known: NDArray[np.bool_] | None = None,
) -> int:
    """Connected regions that a person would have to paint or erase, by masks (H, W) of one label.

    What lies within FORGIVEN_PX of the other mask does not count, nor do regions that are then
    smaller than SMALLEST_PIECE of the image. A predicted mask that is nowhere on its label is one
    piece, however many parts it has: it is deleted. Errors outside `known`, if given, do not count.
    """
    if known is not None:
        drawn, predicted = drawn & known, predicted & known
    smallest_px = SMALLEST_PIECE * drawn.size
    missed = _count_parts(drawn & ~grow(predicted, FORGIVEN_PX), smallest_px)
    if predicted.any() and not (predicted & drawn).any():
        return missed + 1
    return missed + _count_parts(predicted & ~grow(drawn, FORGIVEN_PX), smallest_px)


def _count_parts(mask: NDArray[np.bool_], smallest_px: float) -> int:
    """The 8-connected parts of at least `smallest_px` pixels."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas_px = stats[1:, cv2.CC_STAT_AREA]  # the first is what is not in the mask
    return int((areas_px >= smallest_px).sum())
