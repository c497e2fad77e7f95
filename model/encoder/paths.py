"""Ways through the tower that end in dense tokens; the last block is never run as trained.

Each path takes normalised pixels and gives patch tokens (B, P, D) before the final norm, and the
tokens (B, N, D) before the last block, from which the class token's own answer follows.
Shapes: B windows, h, w patches, P = h * w, N = 1 + P tokens (class token first), D channels.
"""

from dataclasses import dataclass, field, replace

import torch
from open_clip.transformer import VisionTransformer
from torch import Tensor

from model.encoder.attention import (
    ATTENTION,
    Heads,
    Hints,
    attention_weights,
    merge_heads,
    neighbour_bias,
)
from model.encoder.coherence import above, cosine, find_outliers, gather_alike, repair
from model.encoder.global_context import context_blocks, context_weights, fuse_context
from model.encoder.stitching import Chunk, stitched_values
from model.encoder.vit import Trace, attend, block_heads, embed, feed_forward, run_block
from model.methods import MethodConfig


@dataclass(frozen=True)
class Tower:
    """A vision tower, what was found out about its weights, and how its windows belong together."""

    visual: VisionTransformer
    global_block: int
    gains: dict[int, Tensor] = field(default_factory=dict)  # channel gains (D,) by block
    chunks: tuple[Chunk, ...] = ()  # windows of the batch that see each other

    @property
    def n_blocks(self) -> int:
        return len(self.visual.transformer.resblocks)


def run_trunk(tower: Tower, pixels: Tensor, method: MethodConfig) -> Trace:
    """All blocks but the last, keeping what the method's last block will ask for."""
    visual, patch_px = tower.visual, tower.visual.patch_size[0]
    trace = Trace(grid_hw=(pixels.shape[2] // patch_px, pixels.shape[3] // patch_px))
    before_last = tower.n_blocks - 1
    outputs = {before_last, *method.output_blocks}
    heads_of = {*context_blocks(method, tower.n_blocks, tower.global_block)}
    if method.outliers == "som":
        heads_of.add(before_last)
    x = embed(visual, pixels, method)
    for number, block in enumerate(visual.transformer.resblocks[:-1], start=1):
        heads = block_heads(block, x, method)
        if number in heads_of:
            trace.heads[number] = heads
        x = run_block(block, x, method, tower.gains.get(number), heads)
        if number in outputs:
            trace.outputs[number] = x
    return trace


def reshaped_path(tower: Tower, pixels: Tensor, method: MethodConfig) -> tuple[Tensor, Tensor]:
    """The literature's main road: plain blocks, then the last one with another attention."""
    trace = run_trunk(tower, pixels, method)
    before_last = trace.outputs[tower.n_blocks - 1]  # (B, N, D)
    x, coherence = prepare(trace, before_last, method)
    hints = Hints(neighbour_hint(trace.grid_hw, x, method), kk_share=method.kk_share)
    hints = replace(hints, coherence=coherence)

    patches = last_block(tower, x, trace, method, method.attention, hints)
    alike = None
    if method.smoothing_block:
        alike = above(cosine(trace.outputs[method.smoothing_block][:, 1:]), method.alike_above)
        patches = gather_alike(patches, alike)
    if method.level_blocks:
        levels = torch.stack([trace.outputs[number] for number in method.level_blocks]).sum(dim=0)
        again = last_block(tower, levels, trace, method, method.level_attention, hints)
        patches = patches + (again if alike is None else gather_alike(again, alike))
    return patches, before_last


def prepare(trace: Trace, x: Tensor, method: MethodConfig) -> tuple[Tensor, Tensor | None]:
    """Tokens (B, N, D) repaired and gathered by a middle block, and its cosines (B, P, P)."""
    patches = x[:, 1:]
    outliers = None
    if method.outliers:
        attention = patches.new_empty(0)
        if method.outliers == "som":
            attention = ATTENTION["qk"](trace.heads[max(trace.heads)], Hints()).mean(dim=1)
        outliers = find_outliers(method.outliers, patches, attention)
        patches = repair(patches, outliers, trace.grid_hw)
    coherence = None
    if method.coherence_block:
        middle = trace.outputs[method.coherence_block][:, 1:]
        if outliers is not None:
            middle = repair(middle, outliers, trace.grid_hw)
        coherence = cosine(middle)
        alike = above(coherence, method.alike_above)
        patches = gather_alike(patches, alike)
        coherence = alike if method.cut_coherence else coherence
    return torch.cat([x[:, :1], patches], dim=1), coherence


def neighbour_hint(grid_hw: tuple[int, int], like: Tensor, method: MethodConfig) -> Tensor | None:
    if not method.gaussian_std:
        return None
    bias = neighbour_bias(grid_hw, method.gaussian_std).to(like)
    return bias if method.attend_class else bias[1:, 1:]


def last_block(
    tower: Tower, x: Tensor, trace: Trace, method: MethodConfig, attention: str, hints: Hints
) -> Tensor:
    """Patches (B, P, D) of the last block with another attention, with or without its other parts.

    Residual and feed-forward carry what is common to all patches; without them (ClearCLIP,
    2407.12442) a patch says what it is itself.
    """
    block = tower.visual.transformer.resblocks[-1]
    heads = block_heads(block, x, method)
    if not method.attend_class:
        heads = heads.without_class()
    context = context_heads(trace, tower, method)
    if tower.chunks and method.stitch:
        values = stitched_values(heads, tower.chunks, trace.grid_hw, attention, method)
        shared = context_weights(context, method)
        if shared is not None:
            share = method.context_share
            values = (1 - share) * values + share * (shared @ heads.v)
        attended = block.ls_1(merge_heads(block.attn, values * method.attention_gain))
    else:
        weights = fuse_context(attention_weights(attention, heads, hints), context, method)
        attended = attend(block, heads, weights * method.attention_gain)  # (B, N or P, D)
    patches = attended[:, 1:] if method.attend_class else attended
    if method.residual:
        patches = patches + x[:, 1:]
    if method.ffn:
        patches = patches + feed_forward(block, patches, method)
    return patches + method.class_share * x[:, :1]


def context_heads(trace: Trace, tower: Tower, method: MethodConfig) -> list[Heads]:
    numbers = context_blocks(method, tower.n_blocks, tower.global_block)
    return [trace.heads[number] for number in numbers]
