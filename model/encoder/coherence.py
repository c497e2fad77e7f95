"""Patches that belong together: outliers replaced, tokens averaged over similar patches.

After SC-CLIP (2411.15869) and SFP (ICCV 2025): the patches of a middle block are still similar
where they show the same thing, and a few patches of the last blocks are outliers that carry the
content of the whole image instead of their own.
Shapes: B windows, P = h * w patches, N = 1 + P tokens, D channels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.errors import unknown_name

LOF_NEIGHBORS = 30
LOF_SHARE = 0.05  # of the patches are outliers
MAX_SOM_OUTLIERS = 10  # per window
SOM_CLASS_GAIN = 1.5  # 0.3 * 5 in SFP's code, applied to the class token's row


@dataclass(frozen=True)
class CoherenceConfig:
    """SC-CLIP's and SFP's use of earlier blocks; block numbers are for 12 blocks, 0: off."""

    outliers: str = ""  # a name in OUTLIERS; "": none are replaced
    block: int = 0  # whose patch cosines the patches are averaged by, and "coherent" attends by
    min_cosine: float = 0.4  # of patches that count as similar
    cut_attention: bool = False  # "coherent" attention sees only cosines above the minimum
    smoothing_block: int = 0  # whose patch cosines the output is averaged by
    level_blocks: tuple[int, ...] = ()  # summed, and sent through the last block as well
    level_attention: str = "kk"  # of that second pass

    @property
    def output_blocks(self) -> set[int]:
        """The blocks whose outputs are needed."""
        return {self.block, self.smoothing_block, *self.level_blocks} - {0}


def local_outlier_factor(patches: Tensor, _: Tensor) -> Tensor:
    """The 5% of patches (B, P, D) of the highest local outlier factor, (B, P) bool.

    As SC-CLIP computes it: reach distances are squared, and a patch's own k-th distance takes the
    place of its neighbor's, so all reach distances of a patch are equal.
    """
    # Exact differences: the matmul form would move patches across the quantile.
    distance = torch.cdist(
        patches.float(), patches.float(), compute_mode="donot_use_mm_for_euclid_dist"
    ).square()
    count = min(LOF_NEIGHBORS, patches.shape[1] - 1)
    nearest = distance.topk(count + 1, largest=False)
    reach = nearest.values[:, :, -1]  # (B, P)
    density = LOF_NEIGHBORS / reach.clamp_min(1e-12)
    index = nearest.indices[:, :, 1:].flatten(1)
    neighbor_density = density.gather(1, index).view(*reach.shape, count).mean(dim=2)
    factor = neighbor_density / density
    return factor > factor.quantile(1 - LOF_SHARE, dim=1, keepdim=True)


def class_attended(patches: Tensor, attention: Tensor) -> Tensor:
    """The patches (B, P) that the class token attends to more than they attend to themselves.

    SFP's self-adaptive rule; `attention` (B, N, N) is the head mean of the block before the last.
    """
    by_class = SOM_CLASS_GAIN * attention[:, 0, 1:]
    by_itself = attention.diagonal(dim1=1, dim2=2)[:, 1:]
    score = by_class.masked_fill(by_class <= by_itself, -torch.inf)
    top = score.topk(min(MAX_SOM_OUTLIERS, patches.shape[1]), dim=1)
    is_outlier = top.values > -torch.inf
    return torch.zeros_like(score, dtype=torch.bool).scatter(1, top.indices, is_outlier)


OUTLIERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "lof": local_outlier_factor,
    "som": class_attended,
}


def find_outliers(name: str, patches: Tensor, attention: Tensor) -> Tensor:
    """Which patches (B, P, D) are outliers, (B, P) bool, by a rule of OUTLIERS."""
    if name not in OUTLIERS:
        raise unknown_name("outlier rule", name, OUTLIERS)
    return OUTLIERS[name](patches, attention)


def replace_outliers(patches: Tensor, outliers: Tensor, grid_hw: tuple[int, int]) -> Tensor:
    """Patches (B, P, D) with each outlier (B, P) replaced by the mean of its 3x3 inliers.

    One whose neighbors are all outliers keeps its value. (Masking outliers out of the attention
    instead destroys the features.)
    """
    maps = patches.transpose(1, 2).unflatten(2, grid_hw)  # (B, D, h, w)
    inlier = (~outliers).to(patches.dtype).unflatten(1, grid_hw)[:, None]
    # Nine times the average is the sum; outliers add nothing to it, padding neither.
    total, count = (F.avg_pool2d(part, 3, 1, 1) * 9 for part in (maps * inlier, inlier))
    mean = total / count.clamp_min(1)
    is_replaced = (inlier == 0) & (count > 0.5)
    return torch.where(is_replaced, mean, maps).flatten(2).transpose(1, 2)


def patch_cosine(patches: Tensor) -> Tensor:
    """Cosine of each pair of patches (B, P, D), (B, P, P)."""
    unit = F.normalize(patches, dim=-1)
    return unit @ unit.transpose(1, 2)


def zero_below(cosine: Tensor, min_cosine: float) -> Tensor:
    """Cosines with those below the minimum set to 0."""
    return cosine.masked_fill(cosine < min_cosine, 0)


def average_similar(patches: Tensor, weights: Tensor) -> Tensor:
    """Each patch (B, P, D) as the mean of all patches, weighted by its row of weights (B, P, P)."""
    return weights / (weights.sum(dim=-1, keepdim=True) + 1e-6) @ patches
