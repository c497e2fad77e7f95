"""Ways through the tower that end in dense features; none runs the last block as it was trained.

Each path also returns the tokens before the last block, from which the class token's own output
follows, and those of the middle block, which corrections are learned from.
Shapes: B windows, h, w patches, P = h * w, N = 1 + P tokens (class token first), D channels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from model.encoder.attention import AttentionExtras, Heads, attention_weights
from model.encoder.coherence import (
    CoherenceConfig,
    average_similar,
    find_outliers,
    patch_cosine,
    replace_outliers,
    zero_below,
)
from model.encoder.config import EncoderConfig
from model.encoder.global_context import ContextAttention, context_attention
from model.encoder.last_block import last_block
from model.encoder.published.gem_clip_surgery import (
    clip_surgery_attention,
    gem_attention,
    parallel_path,
)
from model.encoder.published.resclip import FeedbackConfig, TextQuery, class_affinity
from model.encoder.published.rf_clip import rf_clip_path
from model.encoder.stitching import WindowGroup
from model.encoder.tower import PathOutput, Tower
from model.errors import unknown_name


@dataclass(frozen=True, eq=False)
class PathInput:
    pixels: Tensor  # (B, 3, H, W), normalized
    groups: Sequence[WindowGroup] = ()  # windows that share keys and values, for stitching
    queries: Sequence[TextQuery] = ()  # one for each window, for "resclip"


@dataclass
class Trace:
    """Outputs and heads of the blocks before the last, by number, as far as a method needs them."""

    grid_hw: tuple[int, int]
    middle_block: int
    outputs: dict[int, Tensor] = field(default_factory=dict)  # each (B, N, D)
    heads: dict[int, Heads] = field(default_factory=dict)

    @property
    def before_last(self) -> Tensor:
        """The tokens (B, N, D) before the last block."""
        return self.outputs[max(self.outputs)]

    @property
    def middle(self) -> Tensor:
        """The tokens (B, N, D) after the middle block."""
        return self.outputs[self.middle_block]


def run_trunk(tower: Tower, pixels: Tensor, config: EncoderConfig) -> Trace:
    """All blocks but the last, keeping what the method reads later."""
    trace = Trace(tower.grid_hw(pixels), tower.middle_block)
    before_last = tower.n_blocks - 1
    kept_outputs = {before_last, tower.middle_block, *config.coherence.output_blocks}
    kept_heads = {*config.context.blocks}
    if config.coherence.outliers == "som":
        kept_heads.add(before_last)
    x = tower.embed(pixels)
    for number in range(1, tower.n_blocks):
        heads = tower.block_heads(number, x)
        if number in kept_heads:
            trace.heads[number] = heads
        x = tower.run_block(number, x, heads)
        if number in kept_outputs:
            trace.outputs[number] = x
    return trace


def last_block_path(tower: Tower, inputs: PathInput, config: EncoderConfig) -> PathOutput:
    """Plain blocks, then the last one with another attention: most methods of the literature."""
    trace = run_trunk(tower, inputs.pixels, config)
    context = _context(trace, config)
    x, cosine = prepare(trace, config.coherence)
    similar = _smoothing_weights(trace, config.coherence)
    extras = AttentionExtras(
        bias=config.last_block.bias(trace.grid_hw, x),
        patch_cosine=cosine,
        kk_share=config.last_block.kk_share,
    )

    def patches_of(tokens: Tensor, attention: str) -> Tensor:
        block = replace(config.last_block, attention=attention)
        patches = last_block(tower, tokens, block, extras, context=context, groups=inputs.groups)
        return patches if similar is None else average_similar(patches, similar)

    patches = patches_of(x, config.last_block.attention)
    if config.coherence.level_blocks:
        levels = torch.stack([trace.outputs[number] for number in config.coherence.level_blocks])
        patches = patches + patches_of(levels.sum(dim=0), config.coherence.level_attention)
    return PathOutput(patches, trace.before_last, trace.middle)


def prepare(trace: Trace, config: CoherenceConfig) -> tuple[Tensor, Tensor | None]:
    """Tokens (B, N, D) for the last block, outliers replaced and similar patches averaged, and the
    patch cosine (B, P, P) of the coherence block, if the method has one."""
    x = trace.before_last
    patches, outliers = x[:, 1:], None
    if config.outliers:
        attention = patches.new_empty(0)
        if config.outliers == "som":
            attention = attention_weights("qk", trace.heads[max(trace.heads)]).mean(dim=1)
        outliers = find_outliers(config.outliers, patches, attention)
        patches = replace_outliers(patches, outliers, trace.grid_hw)
    cosine = None
    if config.block:
        middle = trace.outputs[config.block][:, 1:]
        if outliers is not None:
            middle = replace_outliers(middle, outliers, trace.grid_hw)
        cosine = patch_cosine(middle)
        similar = zero_below(cosine, config.min_cosine)
        patches = average_similar(patches, similar)
        cosine = similar if config.cut_attention else cosine
    return torch.cat([x[:, :1], patches], dim=1), cosine


def resclip_path(tower: Tower, inputs: PathInput, config: EncoderConfig) -> PathOutput:
    """ResCLIP (2411.15851): a first prediction in words shapes the attention of a second pass."""
    trace = run_trunk(tower, inputs.pixels, config)
    x, context = trace.before_last, _context(trace, config)
    bias = config.last_block.bias(trace.grid_hw, x)
    first = last_block(tower, x, config.last_block, AttentionExtras(bias), context=context)
    tokens = tower.project(first).transpose(1, 2).unflatten(2, trace.grid_hw)  # (B, E, h, w)
    affinity = _affinity(tokens, inputs, config.feedback, config.last_block.gaussian_std)
    gain, share = config.feedback.gain, config.feedback.share
    extra = gain * (share * affinity).to(x)  # half precision until here, as published
    extras = AttentionExtras(extra if bias is None else extra + bias, gain=gain * (1 - share))
    patches = last_block(tower, x, config.last_block, extras, context=context)
    return PathOutput(patches, x, trace.middle)


def _affinity(tokens: Tensor, inputs: PathInput, config: FeedbackConfig, blur_std: float) -> Tensor:
    """Affinity (B, 1, N, N) of the patches (B, E, h, w) of each window by its text query."""
    with torch.autocast(tokens.device.type, enabled=False):
        affinities = [
            class_affinity(
                window,
                pixels,
                replace(query, embeds=query.embeds.to(window)),
                config.min_prob,
                blur_std,
            )
            for window, pixels, query in zip(
                tokens.float(), inputs.pixels, inputs.queries, strict=True
            )
        ]
        return torch.stack(affinities)[:, None]


def _context(trace: Trace, config: EncoderConfig) -> ContextAttention | None:
    heads = [trace.heads[number] for number in config.context.blocks]
    return context_attention(heads, config.context, attend_class=config.last_block.attend_class)


def _smoothing_weights(trace: Trace, config: CoherenceConfig) -> Tensor | None:
    """Weights (B, P, P) that the output's patches are averaged by; None where they are not."""
    if not config.smoothing_block:
        return None
    return zero_below(patch_cosine(trace.outputs[config.smoothing_block][:, 1:]), config.min_cosine)


PATHS: dict[str, Callable[[Tower, PathInput, EncoderConfig], PathOutput]] = {
    "last_block": last_block_path,
    "resclip": resclip_path,
    "gem": lambda tower, inputs, _: parallel_path(tower, inputs.pixels, gem_attention),
    "clip-surgery": lambda tower, inputs, _: parallel_path(
        tower, inputs.pixels, clip_surgery_attention
    ),
    "rf-clip": lambda tower, inputs, config: rf_clip_path(
        tower, inputs.pixels, config.massive_channels
    ),
}


class DenseTokens(NamedTuple):
    """All of unit length."""

    patches: Tensor  # (B, P, E)
    class_token: Tensor  # (B, E), CLIP's image embedding
    middle: Tensor  # (B, P, D) of the middle block


def dense_tokens(tower: Tower, inputs: PathInput, config: EncoderConfig) -> DenseTokens:
    """What windows show by a path of PATHS."""
    if config.path not in PATHS:
        raise unknown_name("path", config.path, PATHS)
    read = PATHS[config.path](tower, inputs, config)
    return DenseTokens(
        tower.project(read.patches),
        tower.class_output(read.before_last),
        tower.middle_tokens(read.middle),
    )
