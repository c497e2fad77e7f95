"""From class probs at the patches to each pixel's class: pixels of lessons, then edges.

Shapes: C classes with the background last, h, w patches, H, W pixels, k classes that are kept.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.memory.blend import Blend
from model.refine.refiners import refine_on_device
from model.scoring.class_probs import renormalized, top_classes
from model.scoring.decision import DecisionConfig
from model.scoring.thresholds import PIXELS_AT_ONCE

MAX_REFINED_CLASSES = 64  # at full resolution, unless more of them win a patch


@torch.inference_mode()
def label_pixels(
    probs: Tensor,
    image: NDArray[np.uint8],
    decision: DecisionConfig,
    blend: Blend | None,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Each pixel's most probable class, (H, W) int16, and its prob, (H, W) float32, on the device,
    or on the CPU where its memory is full.

    From probs (C, h, w) by words and patches, and where lessons taught them, by pixels.
    """
    classes = top_classes(probs, MAX_REFINED_CLASSES)  # (k,)
    kept, refiner = renormalized(probs[classes]), decision.refiner  # (k, h, w)
    if blend is not None:
        refiner = decision.taught_refiner(blend.kept_masks, blend.pixel_share)
        if blend.sees_pixels:
            kept = blend.at_pixels(kept, classes, image)
    label_map, best_prob = refine_on_device(refiner, kept, image_planes(image), device)
    classes = classes.to(label_map.device)
    for part in label_map.view(-1).split(PIXELS_AT_ONCE):  # an index has 8 bytes a pixel
        part.copy_(classes[part.long()])
    return label_map, best_prob


def image_planes(image: NDArray[np.uint8]) -> Tensor:
    """RGB (3, H, W) of an image (H, W, 3)."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
