"""From logits to a decision: temperature, absent classes, one prob a class, thresholds.

Shapes: R rows of text, K classes of the answer, C = K + 1 with "none of them" last, E joint
channels, h, w patches, H, W pixels. Each automatic mode looks at one image and needs no labels.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from model.errors import unknown_name

AUTO_SPREAD = 1.5  # standard deviations of the scaled logits over the rows
AUTO_SCALE_RANGE = (10.0, 200.0)
OTSU_BINS = 64
SINKHORN_STEPS = 3


def automatic_scale(logits: Tensor) -> float:
    """A temperature for cosine logits (R, h, w), by how far the rows lie apart.

    Checkpoints differ in the range of their cosines; this gives all the same spread.
    """
    if len(logits) < 2:
        return AUTO_SCALE_RANGE[0]
    spread = float(logits.std(dim=0).mean())
    low, high = AUTO_SCALE_RANGE
    return min(high, max(low, AUTO_SPREAD / max(spread, 1e-6)))


def class_surgery(logits: Tensor, class_logits: Tensor) -> Tensor:
    """CLIP Surgery's (2304.05653) feature surgery of cosine logits (R, h, w), by those of the class
    token (R,): rows the whole image speaks for are raised, what all rows share is removed.

    Its sums over channels of F * T are the logits themselves, so no features are needed.
    """
    weight = (class_logits * 2).softmax(dim=0)
    weighted = logits * (weight / weight.mean()).view(-1, 1, 1)
    return weighted - weighted.mean(dim=0)


def class_probs(logits: Tensor, owners: Tensor, n_classes: int) -> Tensor:
    """Probs (C, h, w), summing to 1 over C, of scaled logits (R, h, w) whose rows have owners (R,).

    Softmax over all rows, then the best row of each class, as the literature scores synonyms.
    """
    row_probs = logits.softmax(dim=0)
    index = owners.view(-1, 1, 1).expand_as(row_probs)
    probs = row_probs.new_zeros(n_classes + 1, *logits.shape[1:])
    probs.scatter_reduce_(0, index, row_probs, reduce="amax")
    return probs / probs.sum(dim=0, keepdim=True)


def peak_evidence(probs: Tensor, _: Tensor) -> Tensor:
    """The highest prob (C,) of each class (MaskCLIP's prompt denoising)."""
    return probs.amax(dim=(1, 2))


def coherent_evidence(probs: Tensor, patch_tokens: Tensor) -> Tensor:
    """How well each class (C,) agrees with its own spread over alike patches, 0..1.

    After FreeCP (2508.00557): a class that is there covers patches that are alike, so spreading its
    map over the affinity of patches changes little. Affinity is the cosine of the patch tokens
    (E, h, w) where FreeCP takes attention maps.
    """
    tokens = F.normalize(patch_tokens.flatten(1), dim=0)
    affinity = (tokens.T @ tokens).clamp_min(0)  # (P, P)
    for _ in range(SINKHORN_STEPS):
        affinity = affinity / affinity.sum(dim=0, keepdim=True)
        affinity = affinity / affinity.sum(dim=1, keepdim=True)
    affinity = ((affinity + affinity.T) / 2) @ affinity
    maps = probs.flatten(1)  # (C, P)
    spread = _to_unit_range(maps @ affinity.T) * maps.amax(dim=1, keepdim=True)
    return torch.minimum(maps, spread).sum(dim=1) / torch.maximum(maps, spread).sum(dim=1)


PURIFIERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "peak": peak_evidence,
    "coherence": coherent_evidence,
}


def purify(probs: Tensor, patch_tokens: Tensor, purifier: str, below: float) -> Tensor:
    """Probs (C, h, w) without the classes whose evidence is below the threshold.

    The strongest class always stays, and so does "none of them".
    """
    if not purifier:
        return probs
    if purifier not in PURIFIERS:
        raise unknown_name("purifier", purifier, PURIFIERS)
    evidence = PURIFIERS[purifier](probs, patch_tokens)
    present = (evidence >= below) | (evidence == evidence[:-1].max())
    present[-1] = True
    kept = probs * present.view(-1, 1, 1)
    return kept / kept.sum(dim=0, keepdim=True).clamp_min(1e-12)


def otsu_threshold(values: Tensor) -> float:
    """The cut of values in 0..1 into two groups with the largest variance between them."""
    counts = torch.histc(values.float(), OTSU_BINS, 0, 1)
    centres = (torch.arange(OTSU_BINS, device=values.device) + 0.5) / OTSU_BINS
    below = counts.cumsum(0)
    above = below[-1] - below
    total = (counts * centres).cumsum(0)
    apart = total / below.clamp_min(1) - (total[-1] - total) / above.clamp_min(1)
    return float((int((below * above * apart**2).argmax()) + 1) / OTSU_BINS)


def unlabel_unsure(label_map: Tensor, best_prob: Tensor, prob_threshold: float) -> Tensor:
    """Set pixels (H, W) whose best prob is below the threshold to -1."""
    return label_map.masked_fill(best_prob < prob_threshold, -1)


def drop_small_classes(label_map: Tensor, n_classes: int, area_threshold: float) -> Tensor:
    """Set classes under this share of the labelled area (H, W) to -1."""
    if not area_threshold:
        return label_map
    areas = torch.bincount(label_map.flatten().int() + 1, minlength=n_classes + 1)[1:]
    small = areas < area_threshold * areas.sum()
    return label_map.masked_fill(small[label_map.clamp_min(0).int()] & (label_map >= 0), -1)


def _to_unit_range(maps: Tensor) -> Tensor:
    low, high = maps.amin(dim=1, keepdim=True), maps.amax(dim=1, keepdim=True)
    return (maps - low) / (high - low).clamp_min(1e-12)
