"""Patches that belong together: outliers repaired, tokens averaged over their like.

After SC-CLIP (2411.15869) and SFP (ICCV 2025): a middle block still knows which patches are alike,
and a few patches of the last blocks carry the whole image instead of themselves.
Shapes: B windows, P = h * w patches, N = 1 + P tokens, D channels.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from model.errors import unknown_name

LOF_NEIGHBOURS = 30
LOF_SHARE = 0.05  # of the patches are called outliers
NORM_COUNT = 10  # patches per window
SOM_COUNT = 10
SOM_CLASS_GAIN = 1.5  # 0.3 * 5 in SFP's code, applied to the class token's row


def local_outliers(patches: Tensor, _: Tensor) -> Tensor:
    """Local outlier factor of patches (B, P, D): the 5% whose neighbourhood is thinnest, (B, P).

    As SC-CLIP computes it: reach distances are squared, and a patch's own k-th distance takes the
    place of its neighbour's, so all reach distances of a patch are equal.
    """
    # Exact differences: the matmul form would move patches across the quantile.
    distance = torch.cdist(
        patches.float(), patches.float(), compute_mode="donot_use_mm_for_euclid_dist"
    ).square()
    count = min(LOF_NEIGHBOURS, patches.shape[1] - 1)
    nearest = distance.topk(count + 1, largest=False)
    reach = nearest.values[:, :, -1]  # (B, P)
    density = LOF_NEIGHBOURS / reach.clamp_min(1e-12)
    index = nearest.indices[:, :, 1:].flatten(1)
    of_neighbours = density.gather(1, index).view(*reach.shape, count).mean(dim=2)
    factor = of_neighbours / density
    return factor > factor.quantile(1 - LOF_SHARE, dim=1, keepdim=True)


def loud_outliers(patches: Tensor, _: Tensor) -> Tensor:
    """The longest patches (B, P, D) of each window, (B, P) bool."""
    length = patches.float().norm(dim=2)
    top = length.topk(min(NORM_COUNT, length.shape[1]), dim=1).indices
    return torch.zeros_like(length, dtype=torch.bool).scatter(1, top, True)


def seen_outliers(patches: Tensor, attention: Tensor) -> Tensor:
    """SFP's self-adaptive rule: patches that the class token sees more than they see themselves.

    `attention` (B, N, N) is the head mean of the block before the last.
    """
    by_class = SOM_CLASS_GAIN * attention[:, 0, 1:]
    by_itself = attention.diagonal(dim1=1, dim2=2)[:, 1:]
    score = by_class.masked_fill(by_class <= by_itself, -torch.inf)
    top = score.topk(min(SOM_COUNT, patches.shape[1]), dim=1)
    chosen = top.values > -torch.inf
    return torch.zeros_like(score, dtype=torch.bool).scatter(1, top.indices, chosen)


OUTLIERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "lof": local_outliers,
    "norm": loud_outliers,
    "som": seen_outliers,
}


def find_outliers(name: str, patches: Tensor, attention: Tensor) -> Tensor:
    if name not in OUTLIERS:
        raise unknown_name("outlier rule", name, OUTLIERS)
    return OUTLIERS[name](patches, attention)


def repair(patches: Tensor, outliers: Tensor, grid_hw: tuple[int, int]) -> Tensor:
    """Replace outliers (B, P) by the mean of their sound 3x3 neighbours; (B, P, D) in and out.

    Masking them out of the attention instead destroys the model. An outlier among outliers stays.
    """
    maps = patches.transpose(1, 2).unflatten(2, grid_hw)  # (B, D, h, w)
    sound = (~outliers).to(patches.dtype).unflatten(1, grid_hw)[:, None]
    # Nine times the average is the sum; outliers add nothing to it, padding neither.
    total, count = (F.avg_pool2d(part, 3, 1, 1) * 9 for part in (maps * sound, sound))
    mean = total / count.clamp_min(1)
    bad = (sound == 0) & (count > 0.5)
    return torch.where(bad, mean, maps).flatten(2).transpose(1, 2)


def cosine(patches: Tensor) -> Tensor:
    """Cosine of each pair of patches (B, P, D), (B, P, P)."""
    unit = F.normalize(patches, dim=-1)
    return unit @ unit.transpose(1, 2)


def above(similarities: Tensor, threshold: float) -> Tensor:
    """Similarities under the threshold set to 0."""
    return similarities.masked_fill(similarities < threshold, 0)


def gather_alike(patches: Tensor, similarities: Tensor) -> Tensor:
    """Each patch (B, P, D) as the mean of those like it, weighted by similarities (B, P, P)."""
    return similarities / (similarities.sum(dim=-1, keepdim=True) + 1e-6) @ patches
