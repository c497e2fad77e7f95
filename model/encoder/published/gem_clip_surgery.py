"""Parallel path: self-self attention of the last blocks, summed up beside the unchanged tower.

GEM (2312.00878) and CLIP Surgery (2304.05653) run the tower as it was trained and collect, from
some block on, what self-self attention would have added in each block, without its feed-forward
part.
Shapes: B windows, P patches, N = 1 + P tokens (class token first), D channels, d = D / heads.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from model.encoder.attention import Heads, attention_weights
from model.encoder.tower import PathOutput, Tower

PARALLEL_BLOCKS = 6  # the last ones of the tower; of both papers

# Heads and the normalized tokens (B, N, D) they are of -> attended values (B, heads, N, d).
SelfAttention = Callable[[Heads, Tensor], Tensor]


def parallel_path(tower: Tower, pixels: Tensor, self_attention: SelfAttention) -> PathOutput:
    """The patches of the parallel path."""
    x = tower.embed(pixels)
    parallel = middle = x
    for number in range(1, tower.n_blocks + 1):
        before = x
        heads = tower.block_heads(number, x)
        x = tower.run_block(number, x, heads)
        if number == tower.middle_block:
            middle = x
        if number > tower.n_blocks - PARALLEL_BLOCKS:
            values = self_attention(heads, tower.attention_input(number, before))
            parallel = parallel + tower.merge(number, values)
        else:
            parallel = x
    return PathOutput(parallel[:, 1:], before, middle)


def gem_attention(heads: Heads, normed: Tensor) -> Tensor:
    """The mean of the self-self attentions of q, k and v, each applied to itself once before.

    GEM (2312.00878): the inverse temperature is the mean norm of the normalized tokens, scaled.
    """
    inverse_temperature = normed.norm(dim=-1).mean(dim=-1)[:, None, None, None] * heads.scale
    total = torch.zeros_like(heads.v)
    for part in (heads.v, heads.k, heads.q):
        unit = F.normalize(part, dim=-1)
        unit = F.normalize(_self_weights(unit, inverse_temperature) @ unit, dim=-1)
        total = total + _self_weights(unit, inverse_temperature) @ heads.v
    return total / 3


def _self_weights(unit: Tensor, inverse_temperature: Tensor) -> Tensor:
    return (unit @ unit.transpose(-1, -2) * inverse_temperature).softmax(dim=-1)


def clip_surgery_attention(heads: Heads, _: Tensor) -> Tensor:
    """Value-value attention (CLIP Surgery, 2304.05653)."""
    return attention_weights("vv", heads) @ heads.v
