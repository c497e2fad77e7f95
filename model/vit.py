"""open_clip's VisionTransformer taken apart: embed, blocks, project, each a readable step.

Shapes: B windows, H, W pixels, h, w patches, N = 1 + h * w tokens (class token first), D channels.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from torch import Tensor, nn

from model.errors import CheckpointError

WHAT_WORKS = (
    "Firstpass needs a CLIP whose image tower is open_clip's own VisionTransformer with a class "
    "token, for example ViT-B-16 or ViT-L-14 (LAION, DataComp), ViT-B-16-quickgelu or "
    "ViT-L-14-quickgelu (OpenAI, MetaCLIP, DFN), ViT-H-14, or 'starter'."
)


@dataclass
class Trace:
    """What the blocks left behind: outputs (B, N, D) by block number, 1 to L; 0: the embeds."""

    grid_hw: tuple[int, int]
    outputs: dict[int, Tensor] = field(default_factory=dict)


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


def embed(visual: VisionTransformer, pixels: Tensor, position_offset: float = 0.0) -> Tensor:
    """Tokens (B, N, D) before the first block, of normalised pixels (B, 3, H, W)."""
    patches = visual.conv1(pixels)  # (B, D, h, w)
    positions = resize_positions(
        visual.positional_embedding,
        (visual.grid_size[0], visual.grid_size[1]),
        (patches.shape[2], patches.shape[3]),
        position_offset,
    )
    class_token = visual.class_embedding.expand(len(patches), 1, -1)
    x = torch.cat([class_token, patches.flatten(2).transpose(1, 2)], dim=1)
    return visual.ln_pre(x + positions)


def resize_positions(
    positions: Tensor,
    from_hw: tuple[int, int],
    to_hw: tuple[int, int],
    offset: float = 0.0,
) -> Tensor:
    """Position embeddings (1 + h * w, D) for another grid: bicubic, the class token's untouched.

    With an offset of 0.1 the scale (h + 0.1) / grid maps the coordinates, as in DINO and the codes
    of the literature; by size otherwise. The two differ by up to cosine 0.995 in the features.
    """
    if from_hw == to_hw:
        return positions
    grid = positions[1:].view(1, *from_hw, -1).permute(0, 3, 1, 2)
    if offset:
        scale = ((to_hw[0] + offset) / from_hw[0], (to_hw[1] + offset) / from_hw[1])
        grid = F.interpolate(grid, scale_factor=scale, mode="bicubic")
    else:
        grid = F.interpolate(grid, size=to_hw, mode="bicubic")
    return torch.cat([positions[:1], grid.flatten(2)[0].T])


def run_block(block: ResidualAttentionBlock, x: Tensor) -> Tensor:
    """One block as it was trained."""
    x = x + block.ls_1(block.attention(block.ln_1(x)))
    return x + block.ls_2(block.mlp(block.ln_2(x)))


def project(visual: VisionTransformer, x: Tensor) -> Tensor:
    """Tokens (B, N, D) of the last block in the joint space (B, N, E), unit length."""
    return F.normalize((visual.ln_post(x) @ visual.proj).float(), dim=-1)
