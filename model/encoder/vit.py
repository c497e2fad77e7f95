"""open_clip's VisionTransformer taken apart: embed, blocks, project, each a readable step.

Shapes: B windows, H, W pixels, h, w patches, N = 1 + h * w tokens (class token first), D channels,
E channels of the joint space of image and text. Blocks are numbered 1 to L.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from torch import Tensor, nn

from model.encoder.attention import Heads, merge_heads, split_heads
from model.errors import CheckpointError
from model.methods import MethodConfig

WHAT_WORKS = (
    "Firstpass needs a CLIP whose image tower is open_clip's own VisionTransformer with a class "
    "token, for example ViT-B-16 or ViT-L-14 (LAION, DataComp), ViT-B-16-quickgelu or "
    "ViT-L-14-quickgelu (OpenAI, MetaCLIP, DFN), ViT-H-14, or 'starter'."
)


@dataclass
class Trace:
    """What the blocks left behind for a method, by block number; output 0 is the embeds."""

    grid_hw: tuple[int, int]
    outputs: dict[int, Tensor] = field(default_factory=dict)  # each (B, N, D)
    heads: dict[int, Heads] = field(default_factory=dict)


def check_vit(visual: nn.Module, model_name: str) -> None:
    """Raise CheckpointError unless the image tower is a ViT whose last block we can reshape."""
    if not isinstance(visual, VisionTransformer):
        reason = f"its image tower is a {type(visual).__name__}"
    elif visual.attn_pool is not None:
        reason = "its image tower pools patches by learned queries (CoCa)"
    elif visual.pool_type != "tok" or visual.final_ln_after_pool:
        reason = f"its image tower pools by '{visual.pool_type}', not by a class token"
    elif any(type(block) is not ResidualAttentionBlock for block in visual.transformer.resblocks):
        reason = "its blocks are customised (query-key norm, head scales, …)"
    elif visual.patch_size[0] != visual.patch_size[1]:
        reason = f"its patches are not square: {visual.patch_size}"
    else:
        return
    raise CheckpointError(f"'{model_name}' cannot be used: {reason}. {WHAT_WORKS}")


def embed(visual: VisionTransformer, pixels: Tensor, method: MethodConfig) -> Tensor:
    """Tokens (B, N, D) before the first block, of normalised pixels (B, 3, H, W)."""
    patches = visual.conv1(pixels)  # (B, D, h, w)
    from_hw = (visual.grid_size[0], visual.grid_size[1])
    to_hw = (patches.shape[2], patches.shape[3])
    positions = resize_positions(visual.positional_embedding, from_hw, to_hw, method.positions)
    class_token = visual.class_embedding.expand(len(patches), 1, -1)
    x = torch.cat([class_token, patches.flatten(2).transpose(1, 2)], dim=1) + positions
    return norm(visual.ln_pre, x, method)


def resize_positions(
    positions: Tensor, from_hw: tuple[int, int], to_hw: tuple[int, int], how: str
) -> Tensor:
    """Position embeddings (1 + h * w, D) for another grid; the class token keeps its own."""
    if from_hw == to_hw:
        return positions
    grid = positions[1:].view(1, *from_hw, -1).permute(0, 3, 1, 2)
    return torch.cat([positions[:1], POSITIONS[how](grid, to_hw).flatten(2)[0].T])


def _by_offset_scale(grid: Tensor, to_hw: tuple[int, int]) -> Tensor:
    """Scale by (h + 0.1) / grid, as DINO and after it most codes of the field.

    The scale maps the coordinates too, so features differ from a resize by size: cosine 0.995.
    """
    scale = ((to_hw[0] + 0.1) / grid.shape[2], (to_hw[1] + 0.1) / grid.shape[3])
    return F.interpolate(grid, scale_factor=scale, mode="bicubic")


POSITIONS: dict[str, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    "bicubic": lambda grid, to_hw: F.interpolate(grid, size=to_hw, mode="bicubic"),
    "bicubic antialias": lambda grid, to_hw: F.interpolate(
        grid, size=to_hw, mode="bicubic", antialias=True
    ),
    "bilinear": lambda grid, to_hw: F.interpolate(grid, size=to_hw, mode="bilinear"),
    "offset": _by_offset_scale,
}


def norm(layer: nn.Module, x: Tensor, method: MethodConfig) -> Tensor:
    """A layer norm with the checkpoint's epsilon, or with the method's own."""
    if method.norm_eps is None or not isinstance(layer, nn.LayerNorm):
        return layer(x)
    return F.layer_norm(x, layer.normalized_shape, layer.weight, layer.bias, method.norm_eps)


def feed_forward(
    block: ResidualAttentionBlock, x: Tensor, method: MethodConfig, gain: Tensor | None = None
) -> Tensor:
    """The block's feed-forward part of x (B, N, D); `gain` (D,) turns its output channels down."""
    if method.exact_gelu:
        hidden = F.gelu(block.mlp.c_fc(norm(block.ln_2, x, method)))
        out = block.mlp.c_proj(hidden)
    else:
        out = block.mlp(norm(block.ln_2, x, method))
    if gain is not None:  # on the weights, not on the bias
        bias = block.mlp.c_proj.bias
        out = (out - bias) * gain + bias
    return block.ls_2(out)


def attend(block: ResidualAttentionBlock, heads: Heads, weights: Tensor | None = None) -> Tensor:
    """What the block's attention adds to its input, (B, N, D): as trained, or by given weights."""
    if weights is None:
        values = F.scaled_dot_product_attention(heads.q, heads.k, heads.v)
    else:
        values = weights @ heads.v
    return block.ls_1(merge_heads(block.attn, values))


def block_heads(block: ResidualAttentionBlock, x: Tensor, method: MethodConfig) -> Heads:
    return split_heads(block.attn, norm(block.ln_1, x, method))


def run_block(
    block: ResidualAttentionBlock,
    x: Tensor,
    method: MethodConfig,
    gain: Tensor | None = None,
    heads: Heads | None = None,
) -> Tensor:
    """One block as it was trained, from x (B, N, D) and its heads, if they are known already."""
    x = x + attend(block, heads or block_heads(block, x, method))
    return x + feed_forward(block, x, method, gain)


def class_output(visual: VisionTransformer, x: Tensor, method: MethodConfig) -> Tensor:
    """CLIP's own image embedding (B, E), unit, from the tokens (B, N, D) before the last block."""
    block = visual.transformer.resblocks[-1]
    heads = block_heads(block, x, method)
    heads = Heads(heads.q[:, :, :1], heads.k, heads.v)  # only the class token asks
    token = run_block(block, x[:, :1], method, heads=heads)
    return project(visual, token, method)[:, 0]


def project(visual: VisionTransformer, x: Tensor, method: MethodConfig) -> Tensor:
    """Tokens (B, N, D) of the last block in the joint space (B, N, E), unit length."""
    return F.normalize((norm(visual.ln_post, x, method) @ visual.proj).float(), dim=-1)
