"""Specks: parts and holes too small for a person to have drawn them.

Shapes: H, W pixels.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]


def absorb_specks_(label_map: NDArray[np.int16], min_area_px: float) -> None:
    """Give each small part of a label map (H, W) the label of the nearest pixel around, in place.

    Small are connected parts of fewer than `min_area_px` pixels, also of the unlabeled, -1, which
    are holes. The largest part of a label stays, however small it is.
    """
    specks = np.zeros(label_map.shape, dtype=bool)
    for label, box in boxes_of_labels(label_map):
        is_label = label_map[box] == label
        specks[box] |= small_parts(is_label, min_area_px, keeps_largest=label >= 0)
    if not specks.any() or specks.all():
        return
    # Of each pixel, a number of the nearest one that is no speck.
    _, nearest = cv2.distanceTransformWithLabels(
        specks.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    label_of = np.empty(int(nearest.max()) + 1, dtype=np.int16)
    label_of[nearest[~specks]] = label_map[~specks]
    label_map[specks] = label_of[nearest[specks]]


def boxes_of_labels(label_map: NDArray[np.int16]) -> Iterator[tuple[int, tuple[slice, ...]]]:
    """Each label that is there, -1 included, and the smallest box around it."""
    boxes = ndimage.find_objects(label_map + 2)
    for number, box in enumerate(boxes):
        if box is not None:
            yield number - 1, box


def small_parts(mask: Mask, min_area_px: float, *, keeps_largest: bool) -> Mask:
    """Pixels of a mask (h, w) in connected parts of fewer than `min_area_px` pixels."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    is_small = areas < min_area_px
    is_small[0] = False  # outside the mask
    if keeps_largest and len(areas) > 1:
        is_small[1 + int(areas[1:].argmax())] = False
    found: Mask = is_small[parts]
    return found
