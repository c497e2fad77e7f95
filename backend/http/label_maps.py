"""Label maps for a browser: at the size of its picture, as lengths of runs."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_SIDE_PX = 1280  # of the picture and of the masks over it


def preview_wh(image_hw: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the picture for the browser, in pixels: MAX_SIDE_PX at most."""
    scale = min(1.0, MAX_SIDE_PX / max(image_hw))
    return max(round(image_hw[1] * scale), 1), max(round(image_hw[0] * scale), 1)


def as_runs(label_map: NDArray[np.int16]) -> dict[str, Any]:
    """`{"width", "height", "runs"}` of a label map (H, W): [label, pixels, label, pixels, …].

    Row by row, at the size of the preview; -1 is no label.
    """
    width, height = preview_wh((label_map.shape[0], label_map.shape[1]))
    small = cv2.resize(label_map, (width, height), interpolation=cv2.INTER_NEAREST).ravel()
    starts = np.flatnonzero(np.diff(small, prepend=small[0] - 1))
    lengths = np.diff(starts, append=len(small))
    runs = np.stack([small[starts].astype(np.int64), lengths], axis=1).ravel()
    return {"width": width, "height": height, "runs": runs}
