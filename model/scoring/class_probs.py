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
PIXELS_AT_ONCE = 2**20


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


def contenders(probs: Tensor, limit: int) -> Tensor:
    """Probs (C, h, w) of the `limit` classes that win a patch, or come nearest to it.

    Thousands of labels cost full resolution nothing then: those that win nowhere are left out.
    """
    if len(probs) <= limit:
        return probs
    share = probs / probs.amax(dim=0).clamp_min(1e-12)  # 1 where a class wins
    wins = share.amax(dim=(1, 2))
    rank = wins + share.mean(dim=(1, 2))
    rank[-1] = torch.inf  # "none of them"
    rank[wins == 1] += len(probs)
    n_kept = min(max(limit, int((wins == 1).sum()) + 1), len(probs))
    kept = rank.topk(n_kept).indices
    present = torch.zeros(len(probs), 1, 1, device=probs.device).index_fill(0, kept, 1)
    return probs * present / (probs * present).sum(dim=0, keepdim=True)


def otsu_threshold(values: Tensor) -> float:
    """The cut of values in 0..1 into two groups with the largest variance between them."""
    counts = torch.histc(values.float(), OTSU_BINS, 0, 1)
    centres = (torch.arange(OTSU_BINS, device=values.device) + 0.5) / OTSU_BINS
    below = counts.cumsum(0)
    above = below[-1] - below
    total = (counts * centres).cumsum(0)
    apart = total / below.clamp_min(1) - (total[-1] - total) / above.clamp_min(1)
    return float((int((below * above * apart**2).argmax()) + 1) / OTSU_BINS)


def settle(
    label_map: Tensor,
    best_prob: Tensor,
    n_classes: int,
    prob_threshold: float,
    area_threshold: float,
) -> Tensor:
    """Decide label_map (H, W) in place, -1 for no class, and give the classes' scores (K,).

    A pixel loses its label when it is none of the classes or less probable than the threshold, and
    a class loses its pixels when they are less than a share of all labelled ones. In blocks of
    rows, since a large image's copies would not fit.
    """
    rows = max(1, PIXELS_AT_ONCE // label_map.shape[1])
    areas, totals = (torch.zeros(n_classes + 1, dtype=torch.float64) for _ in range(2))
    for labels, probs in zip(label_map.split(rows), best_prob.split(rows), strict=True):
        labels[(labels == n_classes) | (probs < prob_threshold)] = -1
        index = labels.flatten().long() + 1
        areas += torch.bincount(index, minlength=n_classes + 1).cpu()
        totals += torch.bincount(index, probs.flatten(), minlength=n_classes + 1).cpu()
    is_small = (areas < area_threshold * areas[1:].sum()).index_fill(0, torch.tensor(0), False)
    if is_small.any():
        for labels in label_map.split(rows):
            labels[is_small.to(labels.device)[labels.long() + 1]] = -1
    return (totals / areas.clamp_min(1) * ~is_small)[1:].float()


def _to_unit_range(maps: Tensor) -> Tensor:
    low, high = maps.amin(dim=1, keepdim=True), maps.amax(dim=1, keepdim=True)
    return (maps - low) / (high - low).clamp_min(1e-12)
