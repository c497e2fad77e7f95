"""Where a row stands out in its image: CLIP's patches speak of the whole image as well.

A patch beside a cat answers "cat" too, if less than the cat does. So a row's logits are read in the
light of what it says over the whole image.
Shapes: R rows of text, h, w patches.
"""

import torch
from torch import Tensor

LEAST_DROP = 3.0  # of scaled logits; what lies nearer to the peak is as good as the peak
GONE = 20.0  # taken off scaled logits: what is left of the prob is nothing


def less_of_the_whole(logits: Tensor, share: float) -> Tensor:
    """Logits (R, h, w) without a share, 0 to 1, of each row's mean over the image.

    What a row says everywhere does not tell where its thing is.
    """
    return logits - share * logits.mean(dim=(1, 2), keepdim=True)


def keep_cores(logits: Tensor, is_guess: Tensor, above: float) -> Tensor:
    """Scaled logits (R, h, w) in which the rows is_guess (R,) bool keep the upper part of their
    range alone.

    As class activation maps are cut (Zhou et al., 1512.04150, section 3.2): `above` 0.6 keeps what
    lies above 0.6 of the way from a row's lowest logit to its highest. "None of them" is no guess:
    it has no peak.
    """
    high = logits.amax(dim=(1, 2), keepdim=True)
    low = logits.amin(dim=(1, 2), keepdim=True)
    deepest = ((1 - above) * (high - low)).clamp_min(LEAST_DROP)
    is_outside = (logits < high - deepest) & is_guess.view(-1, 1, 1)
    return torch.where(is_outside, logits - GONE, logits)


def doubt_the_absent(logits: Tensor, presence: Tensor, is_label: Tensor) -> Tensor:
    """Scaled logits (R, h, w), labels lowered by how far presence (R,) puts them below the best.

    The class token names the few things of a photo better than its patches do, and forgets the many
    of a street. So it counts by the squared share of the image that is no label's: where nearly all
    is labelled, many labels are there. It knows nothing of what was taught, so it counts for taught
    labels, too.
    """
    if not is_label.any():
        return logits
    free = (~is_label[logits.argmax(dim=0)]).float().mean()
    doubt = presence - presence[is_label].max()
    return logits + (free**2 * doubt * is_label).view(-1, 1, 1)
