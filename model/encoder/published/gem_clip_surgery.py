"""Parallel paths: the last blocks' self-self attention summed up beside the tower, without its FFN.

GEM (2312.00878) and CLIP Surgery (2304.05653) leave the tower as it is and collect, from some block
on, what each block's self-self attention would have added.
Shapes: B windows, P patches, N = 1 + P tokens (class token first), D channels, d = D / heads.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from model.encoder.attention import ATTENTION, Heads, Hints, merge_heads
from model.encoder.paths import Tower
from model.encoder.vit import block_heads, embed, norm, run_block
from model.errors import unknown_name
from model.methods import MethodConfig


def parallel_path(tower: Tower, pixels: Tensor, method: MethodConfig) -> tuple[Tensor, Tensor]:
    """Patches (B, P, D) of the parallel path, and the tokens before the last block (B, N, D)."""
    if method.attention not in PARALLEL_ATTENTION:
        raise unknown_name("parallel attention", method.attention, PARALLEL_ATTENTION)
    attention = PARALLEL_ATTENTION[method.attention]
    x = embed(tower.visual, pixels, method)
    beside = x
    for number, block in enumerate(tower.visual.transformer.resblocks, start=1):
        before = x
        heads = block_heads(block, x, method)
        x = run_block(block, x, method, heads=heads)
        if number > tower.n_blocks - method.parallel_blocks:
            values = attention(heads, norm(block.ln_1, before, method))
            beside = beside + block.ls_1(merge_heads(block.attn, values))
        else:
            beside = x
    return beside[:, 1:], before


def gem_attention(heads: Heads, normed: Tensor) -> Tensor:
    """GEM (2312.00878): the mean of self-self attentions of q, k and v, each sharpened once.

    The temperature follows the length of the normalised input tokens `normed` (B, N, D).
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


def surgery_attention(heads: Heads, _: Tensor) -> Tensor:
    """CLIP Surgery (2304.05653): value-value attention."""
    return ATTENTION["vv"](heads, Hints()) @ heads.v


PARALLEL_ATTENTION: dict[str, Callable[[Heads, Tensor], Tensor]] = {
    "gem": gem_attention,
    "surgery": surgery_attention,
}
