"""Attention across the windows of one image, so that a window never loses the whole.

After GLA-CLIP (2603.23030): in the last block, the queries of a window attend to the keys and
values of all windows. Here with the neighbour bias in the image's own coordinates, and without
its anchors.
Shapes: W windows of one image, N = 1 + P tokens each (class token first), d = D / heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.encoder.attention import Heads
from model.errors import MethodError
from model.methods import MethodConfig


@dataclass(frozen=True)
class Chunk:
    """Windows of one batch that share their keys and values."""

    windows: slice
    corners_yx: tuple[tuple[int, int], ...]  # patches, in the image's grid


SHARED = {"qk": ("q", "k"), "qq": ("q", "q"), "kk": ("k", "k"), "vv": ("v", "v")}


def stitched_values(
    heads: Heads,
    chunks: Sequence[Chunk],
    grid_hw: tuple[int, int],
    attention: str,
    method: MethodConfig,
) -> Tensor:
    """Attended values (B, heads, N, d) of a batch whose chunks of windows see each other."""
    parts = attention.split("+")
    if not set(parts) <= set(SHARED):
        raise MethodError(
            f"Attention '{attention}' cannot be shared between windows; {', '.join(SHARED)} can."
        )
    values = [
        sum(
            (_share(heads, chunk, grid_hw, *SHARED[part], method.gaussian_std) for part in parts),
            start=torch.zeros(1).to(heads.v),
        )
        for chunk in chunks
    ]
    return torch.cat(values) / len(parts)


def _share(
    heads: Heads, chunk: Chunk, grid_hw: tuple[int, int], query: str, key: str, std: float
) -> Tensor:
    queries, keys = getattr(heads, query)[chunk.windows], getattr(heads, key)[chunk.windows]
    bias = None
    if std:
        bias = image_bias(chunk.corners_yx, grid_hw, std).to(queries)[:, None]
    return F.scaled_dot_product_attention(
        queries, _pool(keys), _pool(heads.v[chunk.windows]), attn_mask=bias
    )


def _pool(tokens: Tensor) -> Tensor:
    """Each window's class token and the patches of all windows, (W, heads, 1 + W * P, d)."""
    count = len(tokens)
    patches = tokens[:, :, 1:].transpose(0, 1).flatten(1, 2)  # (heads, W * P, d)
    return torch.cat([tokens[:, :, :1], patches.expand(count, -1, -1, -1)], dim=2)


def image_bias(
    corners_yx: Sequence[tuple[int, int]], grid_hw: tuple[int, int], std: float
) -> Tensor:
    """Gaussian of the distance in the image, (W, 1 + P, 1 + W * P), from each window's tokens to
    its class token and the patches of all windows; 0 for class tokens."""
    rows = torch.arange(grid_hw[0]).repeat_interleave(grid_hw[1])
    columns = torch.arange(grid_hw[1]).repeat(grid_hw[0])
    places = torch.stack([rows, columns], dim=1) + torch.tensor(corners_yx)[:, None]  # (W, P, 2)
    distance = (places[:, :, None] - places.flatten(0, 1)).square().sum(dim=3)  # (W, P, W * P)
    return F.pad(torch.exp(-distance / (2 * std**2)), (1, 0, 1, 0))
