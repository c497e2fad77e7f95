"""Blocky probs made from a set's truth, better than the starter's: closer to those of real CLIP.

They imitate CLIP's: one vector for each patch, blurred over neighbors, soft, with noise, some of it
correlated over several patches so that whole regions go to a wrong class, and with a few classes
that the image does not have.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.datasets import IGNORE, Sample


@dataclass(frozen=True)
class BlockyConfig:
    short_side_px: int = 336  # the encoder's input
    patch_px: int = 16
    blur_patches: float = 0.8  # std; overlap of windows and receptive fields
    noise: float = 0.25  # std of the logits' noise, of the gap between right and wrong
    confusion: float = 0.35  # the same, for noise that is correlated over several patches
    logit_scale: float = 5.0
    distractors: int = 6  # classes that are not in the image


REAL_CLIP = BlockyConfig()


def blocky_probs(
    sample: Sample, n_classes: int, config: BlockyConfig = REAL_CLIP, seed: int = 0
) -> Tensor:
    """Probs (K, h, w) on the patch grid."""
    random = torch.Generator().manual_seed(seed)
    height_px, width_px = sample.truth.shape
    factor = config.short_side_px / min(height_px, width_px) / config.patch_px
    grid_hw = (max(1, round(height_px * factor)), max(1, round(width_px * factor)))
    share = class_shares(sample.truth, n_classes, grid_hw)
    contends = share.amax(dim=(1, 2)) > 0
    contends[torch.randperm(n_classes, generator=random)[: config.distractors]] = True
    noise = config.noise * torch.randn(share.shape, generator=random)
    confusion = blur(torch.randn(share.shape, generator=random), 2.0)
    confusion = config.confusion * confusion / confusion.std()
    logits = config.logit_scale * (blur(share, config.blur_patches) + noise + confusion)
    logits[~contends] -= config.logit_scale
    return logits.softmax(dim=0)


def class_shares(truth: NDArray[np.uint8], n_classes: int, grid_hw: tuple[int, int]) -> Tensor:
    """The share of each class (K, h, w) in each patch; unlabeled pixels count for none."""
    height_px, width_px = truth.shape
    rows = np.arange(height_px) * grid_hw[0] // height_px
    columns = np.arange(width_px) * grid_hw[1] // width_px
    cell = rows[:, None] * grid_hw[1] + columns
    n_cells = grid_hw[0] * grid_hw[1]
    known = truth != IGNORE
    pairs = truth[known].astype(np.int64) * n_cells + cell[known]
    counts = np.bincount(pairs, minlength=n_classes * n_cells).reshape(-1, *grid_hw)
    pixels = np.bincount(cell.ravel(), minlength=n_cells).reshape(grid_hw)
    return torch.from_numpy(counts / pixels).float()


def blur(maps: Tensor, std: float) -> Tensor:
    """Gaussian blur of (K, h, w), the border repeated."""
    reach = max(1, round(3 * std))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / std) ** 2)
    weights = weights / weights.sum()
    padded = F.pad(maps[None], [reach] * 4, mode="replicate")[0][:, None]
    padded = F.conv2d(padded, weights[None, None, :, None])
    return F.conv2d(padded, weights[None, None, None, :])[:, 0]
