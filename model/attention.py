"""Last-block attention: the variants of the literature, one function each.

Each takes the heads of the last block and gives attention weights (B, heads, N, N); rows need
not sum to one, since the final layer norm removes a common scale.
Shapes: B windows, N = 1 + h * w tokens (class token first), D channels, d = D / heads.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.errors import unknown_name


@dataclass(frozen=True)
class Heads:
    """Queries, keys and values of one block, each (B, heads, N, d)."""

    q: Tensor
    k: Tensor
    v: Tensor

    @property
    def scale(self) -> float:
        return float(self.q.shape[-1]) ** -0.5


def split_heads(attn: nn.MultiheadAttention, x: Tensor) -> Heads:
    """Project the normalised tokens x (B, N, D) to the heads of an attention layer."""
    batch, tokens, width = x.shape
    qkv = F.linear(x, attn.in_proj_weight, attn.in_proj_bias)  # (B, N, 3D)
    q, k, v = qkv.view(batch, tokens, 3, attn.num_heads, width // attn.num_heads).permute(
        2, 0, 3, 1, 4
    )
    return Heads(q, k, v)


def merge_heads(attn: nn.MultiheadAttention, values: Tensor) -> Tensor:
    """Project the attended values (B, heads, N, d) back to tokens (B, N, D)."""
    return attn.out_proj(values.transpose(1, 2).flatten(2))


def similarity(a: Tensor, b: Tensor, scale: float, bias: Tensor | None = None) -> Tensor:
    """Softmax attention weights of a to b, with an optional bias (N, N) on the logits."""
    logits = a @ b.transpose(-1, -2) * scale
    if bias is not None:
        logits = logits + bias
    return logits.softmax(dim=-1)


def neighbour_bias(grid_hw: tuple[int, int], std: float) -> Tensor:
    """Gaussian of the distance between patches, (N, N); zero to and from the class token.

    NACLIP (2404.08181): added to the logits, it lets a patch look at its neighbourhood.
    """
    height, width = grid_hw
    rows = torch.arange(height).repeat_interleave(width)
    columns = torch.arange(width).repeat(height)
    distance = (rows[:, None] - rows) ** 2 + (columns[:, None] - columns) ** 2
    bias = torch.exp(-distance / (2 * std**2))
    return F.pad(bias, (1, 0, 1, 0))


AttentionFn = Callable[[Heads, Tensor | None], Tensor]

ATTENTION: dict[str, AttentionFn] = {
    "qk": lambda heads, bias: similarity(heads.q, heads.k, heads.scale, bias),
    "qq": lambda heads, bias: similarity(heads.q, heads.q, heads.scale, bias),
    "kk": lambda heads, bias: similarity(heads.k, heads.k, heads.scale, bias),
    "vv": lambda heads, bias: similarity(heads.v, heads.v, heads.scale, bias),
    "qq+kk": lambda heads, bias: ATTENTION["qq"](heads, bias) + ATTENTION["kk"](heads, bias),
    "qq+kk+vv": lambda heads, bias: ATTENTION["qq+kk"](heads, bias) + ATTENTION["vv"](heads, bias),
    "identity": lambda heads, _: torch.eye(heads.q.shape[2])
    .to(heads.q)
    .expand(*heads.q.shape[:2], -1, -1),
}


def get_attention(name: str) -> AttentionFn:
    if name not in ATTENTION:
        raise unknown_name("attention", name, ATTENTION)
    return ATTENTION[name]
