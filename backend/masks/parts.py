"""The connected parts of a mask, each under a name that it keeps while it stays where it is."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_PARTS = 50  # of a label, the largest; more than that nobody corrects one by one
CELLS = 16  # along each side of the image: a part is named by the cell of its center


@dataclass(frozen=True)
class MaskPart:
    name: (
        str  # "7-3": the row and column of the cell of its center; "7-3-1" for a smaller one there
    )
    mask: NDArray[np.bool_]  # (H, W)


def connected_parts(mask: NDArray[np.bool_], min_px: int) -> Iterator[MaskPart]:
    """The 8-connected parts of a mask (H, W) with at least `min_px` pixels, the largest first.

    A part keeps its name when others come or go, and when its edge moves a little, unless that
    moves its center to another cell.
    """
    _, numbers, stats, centers = cv2.connectedComponentsWithStats(
        mask.view(np.uint8), connectivity=8
    )
    areas_px = stats[1:, cv2.CC_STAT_AREA]  # the first is what is not in the mask
    largest = 1 + np.argsort(-areas_px, kind="stable")[:MAX_PARTS]
    cells = (centers[:, ::-1] * CELLS / mask.shape).astype(int)  # row, column
    taken: dict[str, int] = {}
    for number in largest:
        if stats[number, cv2.CC_STAT_AREA] < max(min_px, 1):
            return
        cell = "-".join(map(str, cells[number]))
        earlier = taken.get(cell, 0)
        taken[cell] = earlier + 1
        yield MaskPart(f"{cell}-{earlier}" if earlier else cell, np.equal(numbers, number))
