"""How much of a person's masks each refiner leaves: what it takes from thin things, measured.

A refiner that loses the true masks, given them, loses them in a prediction, too: the dense CRF and
the guided filter merge lines and dots with what is around them. A heuristic of ours; how it chooses
refiners and what it gains: benchmarks/README.md, "Corrections".
Shapes: H, W pixels, h, w pixels at working size, K owners that are present.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from model.refine.refiners import refine_to_labels

# By most of what they take away. "none" takes nothing, and "pamr" is chosen by nobody's lessons.
MEASURED = ("crf", "guided", "guided_fine")
WORKING_PIXELS = 256 * 256  # thin things are still thin, at 0.3 s of one core
TRUE_PROB = 0.7  # of the owner of each pixel, as in a good prediction
MAX_OWNERS = 12  # the largest: time grows with them
MIN_OWNERS = 2  # without an edge nothing is lost
DIGITS = 2  # the last digits of a sum may differ from run to run


def kept_masks(
    owners: NDArray[np.int16], undecided: int, image: NDArray[np.uint8]
) -> dict[str, float]:
    """Mean IoU, 0..1, of the owners' masks with what is left of them, for each of MEASURED.

    `owners` (h, w), about WORKING_PIXELS: a number for the mask of each pixel of the RGB image
    (H, W, 3), or `undecided`. Empty where fewer than two owners are present. On the CPU whatever
    the device, so that it is the same on all machines; a GPU refines at finer sizes, and loses
    less.
    """
    present, areas_px = np.unique(owners[owners != undecided], return_counts=True)
    present = present[np.argsort(-areas_px, kind="stable")][:MAX_OWNERS]
    if len(present) < MIN_OWNERS:
        return {}
    truth = torch.from_numpy(owners == present[:, None, None])  # (K, h, w)
    is_known, uniform = truth.any(dim=0), 1 / len(present)
    probs = torch.where(is_known, TRUE_PROB * truth + (1 - TRUE_PROB) * uniform, uniform)
    rgb = cv2.resize(image, owners.shape[::-1], interpolation=cv2.INTER_AREA)
    planes = torch.from_numpy(rgb).permute(2, 0, 1).contiguous()
    kept = {}
    for name in MEASURED:
        label_map, _ = refine_to_labels(name, probs, planes)
        left = F.one_hot(label_map.long(), len(present)).permute(2, 0, 1).bool()
        left &= is_known
        iou = (left & truth).sum(dim=(1, 2)) / (left | truth).sum(dim=(1, 2))
        kept[name] = round(float(iou.mean()), DIGITS)
    return kept
