"""Where a label is in its image, from logits that also carry what the whole image shows.

CLIP's patch tokens mix what is at the patch with the content of the whole image: beside a cat, the
grass scores "cat" too, if less than the cat does. Three heuristics of ours correct for that; what
each gains stands in benchmarks/README.md ("The starter and the method", ladder).
Shapes: R rows of text, h, w patches.
"""

import torch
from torch import Tensor

# Scaled logits below the peak that are kept whatever the range: up to e³ = 20 times less probable.
MIN_RANGE_KEPT = 3.0
# Scaled logits: a label that is less probable by more than a factor of e takes no masked patch.
MAX_LOSS_TO_LABELS = 1.0
MASKED_LOGIT_PENALTY = 20.0  # scaled logits: leaves a masked row e⁻²⁰ of its prob, which is none


def subtract_image_mean(logits: Tensor, share: float) -> Tensor:
    """Logits (R, h, w) minus `share`, 0 to 1, of each row's mean over the image.

    A score that a row has everywhere does not locate its label.
    """
    return logits - share * logits.mean(dim=(1, 2), keepdim=True)


def cut_below_range(logits: Tensor, is_cut: Tensor, is_label: Tensor, range_cut: float) -> Tensor:
    """Scaled logits (R, h, w), penalized where a row is in the lower part of its own range.

    A row of is_cut (R,) bool keeps what is above low + range_cut * (high - low), as class
    activation maps are thresholded (Zhou et al., 1512.04150, section 3.2), and all within
    MIN_RANGE_KEPT of its peak. The background has no peak, so its rows are not to be cut.

    It also keeps patches for which only a label of is_label (R,) bool is left that is less probable
    than MAX_LOSS_TO_LABELS allows: one bright corner must not give the rest of a sky to the rocket.
    """
    high = logits.amax(dim=(1, 2), keepdim=True)
    low = logits.amin(dim=(1, 2), keepdim=True)
    kept_range = ((1 - range_cut) * (high - low)).clamp_min(MIN_RANGE_KEPT)
    is_masked = (logits < high - kept_range) & is_cut.view(-1, 1, 1)
    remaining, successor = logits.masked_fill(is_masked, -torch.inf).max(dim=0)  # (h, w)
    is_kept = is_label[successor] & (logits - remaining > MAX_LOSS_TO_LABELS)
    return torch.where(is_masked & ~is_kept, logits - MASKED_LOGIT_PENALTY, logits)


def suppress_absent_classes(logits: Tensor, presence: Tensor, is_label: Tensor) -> Tensor:
    """Scaled logits (R, h, w), with labels lowered that the class token does not find in the image.

    A label's logits fall by u² * (best presence - its presence), for presence (R,) the weighted
    logits of the class token, and u the share of patches whose best row is no label's. The class
    token names the few things of a photo better than patches do, and misses most of the many of a
    street: the less is unlabeled, the less it counts.
    """
    if not is_label.any():
        return logits
    unlabeled = (~is_label[logits.argmax(dim=0)]).float().mean()
    deficit = presence - presence[is_label].max()
    return logits + (unlabeled**2 * deficit * is_label).view(-1, 1, 1)
