"""Massive feed-forward channels, found by their weights and scaled back.

After GCLIP (2502.06818): an output channel of a feed-forward part whose weights have grown out of
proportion makes the values of the last block less coherent.
Shapes: D channels. Blocks are numbered 1 to L.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from open_clip.transformer import VisionTransformer
from torch import Tensor


@dataclass(frozen=True)
class FfnChannel:
    """An output channel of a block's feed-forward part."""

    block: int
    channel: int
    ratio: float  # norm of its weights, over the mean norm of the other channels'


def largest_ffn_channels(visual: VisionTransformer) -> list[FfnChannel]:
    """The feed-forward channel of the largest weights of each block."""
    largest = []
    for number, block in enumerate(visual.transformer.resblocks, start=1):
        size = block.mlp.c_proj.weight.float().norm(dim=1)  # (D,)
        channel = int(size.argmax())
        others = (size.sum() - size[channel]) / (len(size) - 1)
        largest.append(FfnChannel(number, channel, float(size[channel] / others)))
    return largest


def channel_gains(
    largest: Sequence[FfnChannel], *, max_ratio: float, global_block: int, width: int
) -> dict[int, Tensor]:
    """Gains (D,) by block that scale a massive channel back to the mean of the others.

    In the blocks after that where global tokens emerge but the last, whose class token stays
    CLIP's; a channel is massive above `max_ratio`.
    """
    gains = {}
    for one in largest[:-1]:
        if one.block > global_block and one.ratio > max_ratio:
            gains[one.block] = torch.ones(width)
            gains[one.block][one.channel] = 1 / one.ratio
    return gains
