"""The image tower step by step: open_clip's VisionTransformer, with the switches of a method.

Shapes: B windows, H, W pixels, h, w patches, N = 1 + h * w tokens (class token first), D channels,
E channels of the joint space of image and text. Blocks are numbered 1 to L.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from torch import Tensor, nn

from model.encoder.attention import Heads, merge_heads, split_heads

# Of the blocks. Found by benchmarks.corrections (benchmarks/README.md, "Corrections"). Lessons are
# made of these tokens: others need another format, model/memory/lesson.py.
MIDDLE_DEPTH = 0.75


@dataclass(frozen=True)
class TowerConfig:
    """How all blocks of the tower are run, where a published code departs from the checkpoint's."""

    positions: str = "offset"  # how position embeddings are resized, a name in POSITIONS
    norm_eps: float | None = None  # of all layer norms; None: the checkpoint's own
    exact_gelu: bool = False  # whatever activation the checkpoint was trained with
    suppress_channels: bool = False  # scale massive feed-forward channels back (GCLIP)
    suppress_above: float = 2.0  # norm of a channel's weights, times the mean of the others'


class PathOutput(NamedTuple):
    """What a path reads off the tower."""

    patches: Tensor  # (B, P, D) before the final norm
    before_last: Tensor  # (B, N, D) before the last block
    middle: Tensor  # (B, N, D) after the middle block


@dataclass(frozen=True, eq=False)
class Tower:
    """A vision tower as one method runs it; each step of a block is a method of its own."""

    visual: VisionTransformer
    config: TowerConfig = TowerConfig()
    channel_gains: Mapping[int, Tensor] = field(default_factory=dict)  # (D,) by block

    @property
    def n_blocks(self) -> int:
        return len(self.visual.transformer.resblocks)

    @property
    def middle_block(self) -> int:
        """Whose output corrections are learned from: MIDDLE_DEPTH of the way."""
        return max(1, min(self.n_blocks - 1, round(MIDDLE_DEPTH * self.n_blocks)))

    def grid_hw(self, pixels: Tensor) -> tuple[int, int]:
        """Patches of pixels (B, 3, H, W)."""
        patch_h, patch_w = self.visual.patch_size
        return pixels.shape[2] // patch_h, pixels.shape[3] // patch_w

    def embed(self, pixels: Tensor) -> Tensor:
        """Tokens (B, N, D) before the first block, of normalized pixels (B, 3, H, W)."""
        visual = self.visual
        patches = visual.conv1(pixels)  # (B, D, h, w)
        positions = resize_positions(
            visual.positional_embedding,
            from_hw=(visual.grid_size[0], visual.grid_size[1]),
            to_hw=(patches.shape[2], patches.shape[3]),
            how=self.config.positions,
        )
        class_token = visual.class_embedding.expand(len(patches), 1, -1)
        x = torch.cat([class_token, patches.flatten(2).transpose(1, 2)], dim=1) + positions
        return self._norm(visual.ln_pre, x)

    def attention_input(self, number: int, x: Tensor) -> Tensor:
        """Tokens (B, N, D) as the block's attention reads them: after its first layer norm."""
        return self._norm(self._block(number).ln_1, x)

    def block_heads(self, number: int, x: Tensor) -> Heads:
        """Queries, keys and values of a block, for the tokens (B, N, D) that go into it."""
        return split_heads(self._block(number).attn, self.attention_input(number, x))

    def attend(self, number: int, heads: Heads, weights: Tensor | None = None) -> Tensor:
        """The output (B, N, D) of a block's attention: as trained, or by given weights."""
        if weights is None:
            values = F.scaled_dot_product_attention(heads.q, heads.k, heads.v)
        else:
            values = weights @ heads.v
        return self.merge(number, values)

    def merge(self, number: int, values: Tensor) -> Tensor:
        """The output (B, N, D) of a block's attention, from attended values (B, heads, N, d)."""
        block = self._block(number)
        out: Tensor = block.ls_1(merge_heads(block.attn, values))
        return out

    def feed_forward(self, number: int, x: Tensor) -> Tensor:
        """The output (B, N, D) of a block's feed-forward part."""
        block = self._block(number)
        normed = self._norm(block.ln_2, x)
        if self.config.exact_gelu:
            out = block.mlp.c_proj(F.gelu(block.mlp.c_fc(normed)))
        else:
            out = block.mlp(normed)
        if number in self.channel_gains:  # of the weights, not of the bias
            bias = block.mlp.c_proj.bias
            out = (out - bias) * self.channel_gains[number] + bias
        scaled: Tensor = block.ls_2(out)
        return scaled

    def run_block(self, number: int, x: Tensor, heads: Heads | None = None) -> Tensor:
        """One block as it was trained, from x (B, N, D) and, if known already, its heads."""
        x = x + self.attend(number, heads or self.block_heads(number, x))
        return x + self.feed_forward(number, x)

    def middle_tokens(self, x: Tensor) -> Tensor:
        """Unit patches (B, P, D) of the tokens (B, N, D) after the middle block, as the next block
        reads them: its norm is there to hold massive channels down."""
        return F.normalize(self.attention_input(self.middle_block + 1, x)[:, 1:].float(), dim=-1)

    def class_output(self, x: Tensor) -> Tensor:
        """CLIP's unit image embedding (B, E), from the tokens (B, N, D) before the last block."""
        heads = self.block_heads(self.n_blocks, x)
        class_heads = Heads(heads.q[:, :, :1], heads.k, heads.v)  # only the class token's query
        return self.project(self.run_block(self.n_blocks, x[:, :1], class_heads))[:, 0]

    def project(self, x: Tensor) -> Tensor:
        """Tokens (B, N, D) of the last block in the joint space (B, N, E), unit length."""
        projected = self._norm(self.visual.ln_post, x) @ self.visual.proj
        return F.normalize(projected.float(), dim=-1)

    def _block(self, number: int) -> ResidualAttentionBlock:
        return self.visual.transformer.resblocks[number - 1]

    def _norm(self, layer: nn.Module, x: Tensor) -> Tensor:
        eps = self.config.norm_eps
        if eps is None or not isinstance(layer, nn.LayerNorm):
            normed: Tensor = layer(x)
            return normed
        return F.layer_norm(x, layer.normalized_shape, layer.weight, layer.bias, eps)


def resize_positions(
    positions: Tensor, *, from_hw: tuple[int, int], to_hw: tuple[int, int], how: str
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
