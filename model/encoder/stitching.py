"""Attention across the windows of one image, so that a window is not cut off from the rest.

After GLA-CLIP (2603.23030): in the last block, the queries of a window attend to the keys and
values of all windows. Here with the Gaussian bias in the coordinates of the image, and without the
paper's anchors.
Shapes: W windows of one image, N = 1 + P tokens each (class token first), d = D / heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.encoder.attention import Heads
from model.errors import MethodError


@dataclass(frozen=True)
class WindowGroup:
    """Windows of one batch that share their keys and values."""

    windows: slice
    corners_yx: tuple[tuple[int, int], ...]  # patches, in the image's grid
    grid_hw: tuple[int, int]  # patches of each window


SHARED_ATTENTION = {"qk": ("q", "k"), "qq": ("q", "q"), "kk": ("k", "k"), "vv": ("v", "v")}


def stitched_values(
    heads: Heads, groups: Sequence[WindowGroup], attention: str, gaussian_std: float
) -> Tensor:
    """Attended values (B, heads, N, d) of a batch whose windows attend to all of their group."""
    parts = attention.split("+")
    if not set(parts) <= set(SHARED_ATTENTION):
        raise MethodError(
            f"Attention '{attention}' cannot be shared between windows; "
            f"{', '.join(SHARED_ATTENTION)} can."
        )
    values = [
        sum(
            (_group_values(heads, group, *SHARED_ATTENTION[part], gaussian_std) for part in parts),
            start=torch.zeros(1).to(heads.v),
        )
        for group in groups
    ]
    return torch.cat(values) / len(parts)


def _group_values(
    heads: Heads, group: WindowGroup, query: str, key: str, gaussian_std: float
) -> Tensor:
    queries, keys = getattr(heads, query)[group.windows], getattr(heads, key)[group.windows]
    bias = None
    if gaussian_std:
        bias = image_bias(group, gaussian_std).to(queries)[:, None]
    return F.scaled_dot_product_attention(
        queries, _pooled(keys), _pooled(heads.v[group.windows]), attn_mask=bias
    )


def _pooled(tokens: Tensor) -> Tensor:
    """Each window's class token and the patches of all windows, (W, heads, 1 + W * P, d)."""
    count = len(tokens)
    patches = tokens[:, :, 1:].transpose(0, 1).flatten(1, 2)  # (heads, W * P, d)
    return torch.cat([tokens[:, :, :1], patches.expand(count, -1, -1, -1)], dim=2)


def image_bias(group: WindowGroup, std: float) -> Tensor:
    """Gaussian of the distance in the image, (W, 1 + P, 1 + W * P), from each window's tokens to
    its class token and the patches of all windows; 0 for class tokens."""
    height, width = group.grid_hw
    rows = torch.arange(height).repeat_interleave(width)
    columns = torch.arange(width).repeat(height)
    places = torch.stack([rows, columns], dim=1) + torch.tensor(group.corners_yx)[:, None]
    distance = (places[:, :, None] - places.flatten(0, 1)).square().sum(dim=3)  # (W, P, W * P)
    return F.pad(torch.exp(-distance / (2 * std**2)), (1, 0, 1, 0))
