"""From logits to a decision: temperature, one prob a class, thresholds.

Shapes: R rows of text, K classes of the answer, C = K + 1 with "none of them" last.
"""

import torch
from torch import Tensor


def class_probs(logits: Tensor, owners: Tensor, n_classes: int, logit_scale: float) -> Tensor:
    """Probs (C, h, w), summing to 1 over C, of cosine logits (R, h, w) whose rows have owners (R,).

    Softmax over all rows, then the best row of each class, as the literature scores synonyms.
    """
    row_probs = (logits * logit_scale).softmax(dim=0)
    index = owners.view(-1, 1, 1).expand_as(row_probs)
    probs = row_probs.new_zeros(n_classes + 1, *logits.shape[1:])
    probs.scatter_reduce_(0, index, row_probs, reduce="amax")
    return probs / probs.sum(dim=0, keepdim=True)


def unlabel_unsure(label_map: Tensor, best_prob: Tensor, prob_threshold: float) -> Tensor:
    """Set pixels (H, W) whose best prob is below the threshold to -1."""
    return label_map.masked_fill(best_prob < prob_threshold, -1)


def drop_small_classes(label_map: Tensor, n_classes: int, area_threshold: float) -> Tensor:
    """Set classes under this share of the labelled area (H, W) to -1."""
    if not area_threshold:
        return label_map
    areas = torch.bincount(label_map.flatten() + 1, minlength=n_classes + 1)[1:]
    small = areas < area_threshold * areas.sum()
    return label_map.masked_fill(small[label_map.clamp_min(0)] & (label_map >= 0), -1)
