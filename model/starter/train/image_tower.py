"""The image tower in training: the checkpoint's transformer, read as segmentation reads it.

Its dense tokens are the last block's attention output without residual and feed-forward part, as
training-free segmentation reads it; the class token goes through the whole block, as in CLIP.
"""

from collections.abc import Callable
from functools import partial

import torch
from open_clip.transformer import LayerNorm, ResidualAttentionBlock, VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

GRID = 16  # patches a side of the product's 224 px input
WIDTH = EMBED_DIM = 384


class ImageTower(nn.Module):
    """The checkpoint's VisionTransformer, and a map from the teacher's text space to its own."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = VisionTransformer(
            14 * GRID,
            14,
            WIDTH,
            12,
            WIDTH // 64,
            4.0,
            ls_init_value=1.0,
            no_ln_pre=True,
            output_dim=EMBED_DIM,
            norm_layer=partial(LayerNorm, eps=1e-6),
        )
        nn.init.normal_(self.visual.proj, std=WIDTH**-0.5)
        self.text_map = nn.Parameter(torch.eye(EMBED_DIM))
        self.log_scale = nn.Parameter(torch.tensor([2.7, 2.7, 2.7]))  # class, dense, words

    def forward(
        self, images: Tensor, frozen_blocks: int, pattern: str, dropped_patches: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) -> unit class tokens (B, D) and unit dense tokens (B, L, D)."""
        visual = self.visual
        blocks = visual.transformer.resblocks
        with torch.no_grad():
            x = visual.conv1(images)  # (B, W, g, g)
            positions = resize_positions(visual.positional_embedding, x.shape[-1])
            x = x.flatten(2).transpose(1, 2)
            x = torch.cat([visual.class_embedding.expand(len(x), 1, -1), x], 1) + positions
            for block in blocks[:frozen_blocks]:
                x = block(x)
            x = drop_patches(x, dropped_patches)
        for block in blocks[frozen_blocks:-1]:
            x = block(x)
        cls_token, patch_tokens = last_block(blocks[-1], x, PATTERNS[pattern])
        cls_token = visual.ln_post(cls_token) @ visual.proj
        patch_tokens = visual.ln_post(patch_tokens) @ visual.proj
        # The losses are computed in float32 whatever the tower was: their scale is up to 100.
        return F.normalize(cls_token.float(), dim=-1), F.normalize(patch_tokens.float(), dim=-1)

    def texts(self, teacher_embeds: Tensor) -> Tensor:
        return F.normalize(teacher_embeds @ self.text_map, dim=-1)


def drop_patches(x: Tensor, share: float) -> Tensor:
    """The class token and a random choice of patches, drawn for each image."""
    kept = round((x.shape[1] - 1) * (1 - share))
    order = torch.rand(len(x), x.shape[1] - 1, device=x.device).argsort(1)[:, :kept] + 1
    order = torch.cat([order.new_zeros(len(x), 1), order], 1)
    return x.gather(1, order[..., None].expand(-1, -1, x.shape[-1]))


def resize_positions(positions: Tensor, grid: int) -> Tensor:
    """(1 + 16 * 16, W) -> (1 + grid * grid, W), bicubic; the class token's stays."""
    patches = positions[1:].T.reshape(1, -1, GRID, GRID)
    patches = F.interpolate(patches, size=(grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([positions[:1], patches.flatten(2)[0].T])


Pattern = Callable[[Tensor, Tensor, Tensor], Tensor]
attend = F.scaled_dot_product_attention
PATTERNS: dict[str, Pattern] = {
    "qk": attend,
    "qq": lambda q, _, v: attend(q, q, v),
    "kk": lambda _, k, v: attend(k, k, v),
    "both": lambda q, k, v: (attend(q, q, v) + attend(k, k, v)) / 2,
    "value": lambda _q, _k, v: v,
}


def last_block(block: ResidualAttentionBlock, x: Tensor, pattern: Pattern) -> tuple[Tensor, Tensor]:
    """The whole block for the class token (B, W); attention output for the patches (B, L, W)."""
    attn = block.attn
    qkv = F.linear(block.ln_1(x), attn.in_proj_weight, attn.in_proj_bias)
    q, k, v = qkv.unflatten(-1, (3, attn.num_heads, -1)).permute(2, 0, 3, 1, 4)  # (B, heads, N, d)

    cls_token = x[:, 0] + block.ls_1(attn.out_proj(attend(q[:, :, :1], k, v).flatten(1)))
    cls_token = cls_token + block.ls_2(block.mlp(block.ln_2(cls_token)))
    dense = pattern(q, k, v)[:, :, 1:].transpose(1, 2).flatten(2)
    return cls_token, block.ls_1(attn.out_proj(dense))
