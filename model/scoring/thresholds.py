"""Thresholds of the decision: unsure pixels and small classes lose their label.

Shapes: K classes, C = K + 1 with the background last, H, W pixels, h, w of a coarser grid.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

OTSU_BINS = 64
PIXELS_AT_ONCE = 2**20  # of a large image, whose copies would not fit in memory
MIN_PART_PX = 16  # of small images


@dataclass(frozen=True)
class ThresholdConfig:
    """None is automatic: by the image at hand, without labels."""

    prob: float | None = 0.0  # less probable pixels stay unlabeled; None: Otsu's of the best probs
    area: float | None = 0.0  # of the labeled area, smaller classes are dropped; None: one patch
    part: float = 0.0  # of the image, smaller connected parts and holes are absorbed

    def prob_of(self, probs: Tensor) -> float:
        """The threshold of the best prob, for class probs (C, h, w)."""
        return otsu_threshold(probs.amax(dim=0)) if self.prob is None else self.prob

    def part_px_of(self, image_hw: tuple[int, int]) -> float:
        """Pixels below which a part or hole of an image is absorbed; 0: none is."""
        return max(self.part * image_hw[0] * image_hw[1], MIN_PART_PX) if self.part else 0.0

    def area_of(self, probs: Tensor) -> float:
        """The threshold of a class's share of the labeled area, for class probs (C, h, w)."""
        return 1 / (probs.shape[1] * probs.shape[2]) if self.area is None else self.area


def otsu_threshold(values: Tensor) -> float:
    """The cut of values in 0..1 into two groups with the largest variance between them."""
    counts = torch.histc(values.float(), OTSU_BINS, 0, 1)
    centers = (torch.arange(OTSU_BINS, device=values.device) + 0.5) / OTSU_BINS
    n_below = counts.cumsum(0)
    n_above = n_below[-1] - n_below
    total = (counts * centers).cumsum(0)
    distance = total / n_below.clamp_min(1) - (total[-1] - total) / n_above.clamp_min(1)
    return float((int((n_below * n_above * distance**2).argmax()) + 1) / OTSU_BINS)


def apply_thresholds_(
    label_map: Tensor,
    best_prob: Tensor,
    n_classes: int,
    *,
    prob_threshold: float,
    area_threshold: float,
) -> Tensor:
    """Set pixels of label_map (H, W) to -1, in place, and return which classes are left, (K,) bool.

    A pixel loses its label where it is the background or less probable than the threshold; a class
    loses its pixels where they are less than `area_threshold` of all labeled ones.
    """
    rows = max(1, PIXELS_AT_ONCE // label_map.shape[1])
    areas = torch.zeros(n_classes + 1, dtype=torch.int64)
    for labels, probs in zip(label_map.split(rows), best_prob.split(rows), strict=True):
        labels[(labels == n_classes) | (probs < prob_threshold)] = -1
        areas += torch.bincount(labels.flatten().long() + 1, minlength=n_classes + 1).cpu()
    is_small = (areas < area_threshold * areas[1:].sum()).index_fill(0, torch.tensor(0), False)
    if is_small.any():
        for labels in label_map.split(rows):
            labels[is_small.to(labels.device)[labels.long() + 1]] = -1
    return ((areas > 0) & ~is_small)[1:]
