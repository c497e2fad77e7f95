"""Last-block attention: the variants of the literature, one function each.

Each takes the heads of the last block and gives attention weights (B, heads, N, N); rows need
not sum to one, since the final layer norm removes a common scale.
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
        return float(self.q.shape[-1]) ** -0.5

    def without_class(self) -> "Heads":
        return Heads(self.q[:, :, 1:], self.k[:, :, 1:], self.v[:, :, 1:])


@dataclass(frozen=True)
class Hints:
    """What a variant may use beside the heads."""

    bias: Tensor | None = None  # (N, N) or (B, 1, N, N), added to the logits
    sharpness: float = 1.0  # times the logits, before the bias
    coherence: Tensor | None = None  # (B, N, N), cosine of patches in a middle block
    kk_share: float = 0.0  # of centred key-key logits in "procrustes"


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


def similarity(a: Tensor, b: Tensor, hints: Hints) -> Tensor:
    """Softmax attention weights (B, heads, N, N) of a to b, each (B, heads, N, d)."""
    logits = a @ b.transpose(-1, -2) * (a.shape[-1] ** -0.5 * hints.sharpness)
    if hints.bias is not None:
        logits = logits + hints.bias
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


def own_value(heads: Heads, _: Hints) -> Tensor:
    """MaskCLIP (2112.01071): each token keeps its own value."""
    eye = torch.eye(heads.q.shape[2], dtype=heads.q.dtype, device=heads.q.device)
    return eye.expand(*heads.q.shape[:2], -1, -1)


def coherent(heads: Heads, hints: Hints) -> Tensor:
    """SC-CLIP (2411.15869): attend to patches that a middle block finds more alike than average."""
    if hints.coherence is None:
        raise MethodError("Attention 'coherent' needs the patches of a middle block.")
    if hints.coherence.shape[-1] != heads.q.shape[2]:
        raise MethodError("Attention 'coherent' knows patches alone: set attend_class=False.")
    centred = hints.coherence - hints.coherence.mean(dim=(1, 2), keepdim=True)
    logits = (3 * centred).masked_fill(centred < 0, -torch.inf)
    return logits.softmax(dim=-1)[:, None].expand(-1, heads.q.shape[1], -1, -1)


def procrustes(heads: Heads, hints: Hints, polar: Callable[[Tensor], Tensor]) -> Tensor:
    """PEARL (2603.21528): rotate the keys onto the queries before they are compared.

    The rotation is the orthogonal polar factor of K^T Q, both centred by their means weighted
    with the length of the queries; the class token has no weight.
    """
    q, k = heads.q.float(), heads.k.float()
    weight = q.norm(dim=-1, keepdim=True)
    weight = torch.cat([torch.zeros_like(weight[:, :, :1]), weight[:, :, 1:]], dim=2)
    weight = weight / (weight.sum(dim=2, keepdim=True) + 1e-6)
    centred_q = q - (weight * q).sum(dim=2, keepdim=True)
    centred_k = k - (weight * k).sum(dim=2, keepdim=True)

    rotation = polar(centred_k.transpose(-1, -2) @ centred_q)  # (B, heads, d, d)
    logits = q @ (k @ rotation).transpose(-1, -2)
    logits = logits + hints.kk_share * centred_k @ centred_k.transpose(-1, -2)
    logits = logits * heads.scale
    if hints.bias is not None:
        logits = logits + hints.bias
    return logits.softmax(dim=-1).to(heads.q.dtype)


def polar_by_newton_schulz(matrix: Tensor, steps: int = 5) -> Tensor:
    """PEARL's own approximation of the polar factor.

    Five steps have not converged (against the SVD: mean cosine 0.90), but the published numbers
    were made with them.
    """
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    gram = matrix.transpose(-1, -2) @ matrix
    size = gram.flatten(-2).norm(dim=-1).clamp_min(1e-6)[..., None, None]
    y, z = gram / size + 1e-6 * identity, identity.expand_as(gram)
    for _ in range(steps):
        step = 0.5 * (3 * identity - z @ y)
        y, z = y @ step, step @ z
    return matrix @ (z / size.sqrt())


def polar_by_svd(matrix: Tensor) -> Tensor:
    u, _, v = torch.linalg.svd(matrix)
    return u @ v


AttentionFn = Callable[[Heads, Hints], Tensor]

ATTENTION: dict[str, AttentionFn] = {
    "qk": lambda heads, hints: similarity(heads.q, heads.k, hints),
    "qq": lambda heads, hints: similarity(heads.q, heads.q, hints),
    "kk": lambda heads, hints: similarity(heads.k, heads.k, hints),
    "vv": lambda heads, hints: similarity(heads.v, heads.v, hints),
    "own value": own_value,
    "coherent": coherent,
    "procrustes": lambda heads, hints: procrustes(heads, hints, polar_by_newton_schulz),
    "procrustes svd": lambda heads, hints: procrustes(heads, hints, polar_by_svd),
}


def attention_weights(name: str, heads: Heads, hints: Hints) -> Tensor:
    """Weights (B, heads, N, N) of a variant, or of several joined by "+": the mean of theirs."""
    parts = name.split("+")
    for part in parts:
        if part not in ATTENTION:
            raise unknown_name("attention", part, ATTENTION)
    total = ATTENTION[parts[0]](heads, hints)
    for part in parts[1:]:
        total = total + ATTENTION[part](heads, hints)
    return total / len(parts)
