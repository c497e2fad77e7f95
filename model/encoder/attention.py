"""Attention weights of the last block: the variants of the literature, one function each.

Each takes the queries, keys and values of a block and returns weights (B, heads, N, N). Rows need
not sum to one: the final layer norm removes a common scale.
Shapes: B windows, N tokens (class token first, where there is one), D channels, d = D / heads.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.errors import MethodError, unknown_name


@dataclass(frozen=True)
class Heads:
    """Queries, keys and values of one block, each (B, heads, N, d)."""

    q: Tensor
    k: Tensor
    v: Tensor

    @property
    def scale(self) -> float:
        scale: float = self.q.shape[-1] ** -0.5
        return scale

    def without_class(self) -> "Heads":
        return Heads(self.q[:, :, 1:], self.k[:, :, 1:], self.v[:, :, 1:])


@dataclass(frozen=True)
class AttentionExtras:
    """What a variant may use beside the heads."""

    bias: Tensor | None = None  # (N, N) or (B, 1, N, N), added to the logits
    gain: float = 1.0  # times the logits, before the bias
    patch_cosine: Tensor | None = None  # (B, N, N), of patches in a middle block, for "coherent"
    kk_share: float = 0.0  # of centered key-key logits, for "procrustes"


def split_heads(attn: nn.MultiheadAttention, x: Tensor) -> Heads:
    """Queries, keys and values of an attention layer, from normalized tokens x (B, N, D)."""
    batch, tokens, width = x.shape
    qkv = F.linear(x, attn.in_proj_weight, attn.in_proj_bias)  # (B, N, 3D)
    q, k, v = qkv.view(batch, tokens, 3, attn.num_heads, width // attn.num_heads).permute(
        2, 0, 3, 1, 4
    )
    return Heads(q, k, v)


def merge_heads(attn: nn.MultiheadAttention, values: Tensor) -> Tensor:
    """Attended values (B, heads, N, d) projected back to tokens (B, N, D)."""
    tokens: Tensor = attn.out_proj(values.transpose(1, 2).flatten(2))
    return tokens


def softmax_attention(a: Tensor, b: Tensor, extras: AttentionExtras) -> Tensor:
    """Softmax attention weights (B, heads, N, N) of a to b, each (B, heads, N, d)."""
    logits: Tensor = a @ b.transpose(-1, -2) * (a.shape[-1] ** -0.5 * extras.gain)
    if extras.bias is not None:
        logits = logits + extras.bias
    return logits.softmax(dim=-1)


def gaussian_bias(grid_hw: tuple[int, int], std: float) -> Tensor:
    """Attention bias (N, N): a Gaussian of the distance of patches, 0 to and from the class token.

    exp(-d² / (2 std²)) with d and std in patches. NACLIP (2404.08181): added to the logits, it
    favors a patch's neighborhood.
    """
    height, width = grid_hw
    rows = torch.arange(height).repeat_interleave(width)
    columns = torch.arange(width).repeat(height)
    distance = (rows[:, None] - rows) ** 2 + (columns[:, None] - columns) ** 2
    bias = torch.exp(-distance / (2 * std**2))
    return F.pad(bias, (1, 0, 1, 0))


def identity(heads: Heads, _: AttentionExtras) -> Tensor:
    """Each token attends to itself alone, so its output is its own value (MaskCLIP, 2112.01071)."""
    eye = torch.eye(heads.q.shape[2], dtype=heads.q.dtype, device=heads.q.device)
    return eye.expand(*heads.q.shape[:2], -1, -1)


def coherent(heads: Heads, extras: AttentionExtras) -> Tensor:
    """Softmax of three times the patch cosine of a middle block, over what is above its mean.

    SC-CLIP (2411.15869); the same for all heads.
    """
    cosine = extras.patch_cosine
    if cosine is None:
        raise MethodError("Attention 'coherent' needs the patches of a middle block.")
    if cosine.shape[-1] != heads.q.shape[2]:
        raise MethodError(
            "Attention 'coherent' is defined on patches alone: set attend_class=False."
        )
    centered = cosine - cosine.mean(dim=(1, 2), keepdim=True)
    logits = (3 * centered).masked_fill(centered < 0, -torch.inf)
    return logits.softmax(dim=-1)[:, None].expand(-1, heads.q.shape[1], -1, -1)


def procrustes(heads: Heads, extras: AttentionExtras) -> Tensor:
    """Query-key attention after the keys are rotated onto the queries (PEARL, 2603.21528).

    The rotation is the orthogonal polar factor of K^T Q, both centered by their means weighted by
    the norm of the queries; the class token has no weight.
    """
    q, k = heads.q.float(), heads.k.float()
    weight = q.norm(dim=-1, keepdim=True)
    weight = torch.cat([torch.zeros_like(weight[:, :, :1]), weight[:, :, 1:]], dim=2)
    weight = weight / (weight.sum(dim=2, keepdim=True) + 1e-6)
    centered_q = q - (weight * q).sum(dim=2, keepdim=True)
    centered_k = k - (weight * k).sum(dim=2, keepdim=True)

    rotation = polar_factor(centered_k.transpose(-1, -2) @ centered_q)  # (B, heads, d, d)
    logits = q @ (k @ rotation).transpose(-1, -2)
    logits = logits + extras.kk_share * centered_k @ centered_k.transpose(-1, -2)
    logits = logits * heads.scale
    if extras.bias is not None:
        logits = logits + extras.bias
    return logits.softmax(dim=-1).to(heads.q.dtype)


def polar_factor(matrix: Tensor, steps: int = 5) -> Tensor:
    """PEARL's approximation of the orthogonal polar factor, by Newton-Schulz iterations.

    Five steps have not converged (mean cosine to the SVD's factor: 0.90), but the published numbers
    were made with them.
    """
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    gram = matrix.transpose(-1, -2) @ matrix
    size = gram.flatten(-2).norm(dim=-1).clamp_min(1e-6)[..., None, None]
    y, z = gram / size + 1e-6 * identity, identity.expand_as(gram)
    for _ in range(steps):
        step = 0.5 * (3 * identity - z @ y)
        y, z = y @ step, step @ z
    orthogonal: Tensor = matrix @ (z / size.sqrt())
    return orthogonal


ATTENTION: dict[str, Callable[[Heads, AttentionExtras], Tensor]] = {
    "qk": lambda heads, extras: softmax_attention(heads.q, heads.k, extras),
    "qq": lambda heads, extras: softmax_attention(heads.q, heads.q, extras),
    "kk": lambda heads, extras: softmax_attention(heads.k, heads.k, extras),
    "vv": lambda heads, extras: softmax_attention(heads.v, heads.v, extras),
    "identity": identity,
    "coherent": coherent,
    "procrustes": procrustes,
}


def attention_weights(
    name: str,
    heads: Heads,
    extras: AttentionExtras = AttentionExtras(),
) -> Tensor:
    """Weights (B, heads, N, N) of a variant, or of several joined by "+": the mean of theirs."""
    parts = name.split("+")
    for part in parts:
        if part not in ATTENTION:
            raise unknown_name("attention", part, ATTENTION)
    total = ATTENTION[parts[0]](heads, extras)
    for part in parts[1:]:
        total = total + ATTENTION[part](heads, extras)
    return total / len(parts)
