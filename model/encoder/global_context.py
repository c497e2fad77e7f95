"""Global context: attention maps of middle blocks in the last one, and loud channels turned down.

After GCLIP (2502.06818): from some middle block on, a few "global tokens" are seen by all patches.
The blocks where they emerge know the image as a whole without being homogeneous yet, so their
attention maps are fused into the last block. And a feed-forward channel grown out of proportion
makes the values of the last block less coherent, so it is scaled back.
Shapes: B windows, N tokens, D channels. Blocks are numbered 1 to L.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from open_clip.transformer import VisionTransformer
from torch import Tensor

from model.encoder.attention import ATTENTION, Heads, Hints, attention_weights
from model.encoder.vit import block_heads, embed, run_block
from model.methods import MethodConfig

EMERGENCE = 3.0  # times the median of the earlier blocks
LOUD = 2.0  # times the mean of the other channels
CALIBRATION_SIDE_PX = 224
CALIBRATION_IMAGES = 4


@dataclass(frozen=True)
class LoudChannel:
    """An output channel of a block's feed-forward part, and how much louder than the others."""

    block: int
    channel: int
    ratio: float  # norm of its weights over the mean norm of the other channels'


def fuse_context(own: Tensor, context: Sequence[Heads], method: MethodConfig) -> Tensor:
    """The last block's weights (B, heads, N, N) fused with those of the context blocks."""
    shared = context_weights(context, method)
    if shared is None:
        return own
    return (1 - method.context_share) * own + method.context_share * shared


def context_weights(context: Sequence[Heads], method: MethodConfig) -> Tensor | None:
    """The mean attention (B, heads, N, N) of the context blocks; None if there are none."""
    if not context:
        return None
    total = attention_weights(method.context_attention, context[0], Hints())
    for heads in context[1:]:
        total = total + attention_weights(method.context_attention, heads, Hints())
    shared = total / len(context)
    if not method.attend_class:  # the last block runs without the class token
        shared = shared[..., 1:, 1:]
    return shared.mean(dim=1, keepdim=True) if method.context_head_mean else shared


def context_blocks(method: MethodConfig, n_blocks: int, global_block: int) -> tuple[int, ...]:
    """The numbers of the blocks whose attention is fused into the last one."""
    if method.context_blocks == "emerging":
        return tuple(block for block in (global_block, global_block + 1) if block < n_blocks)
    if method.context_blocks == "all":
        return tuple(range(1, n_blocks))
    return tuple(block for block in method.context_blocks if isinstance(block, int))


def find_global_block(visual: VisionTransformer) -> int:
    """The block where global tokens emerge: the first whose most seen patch is seen far more.

    Of block l: u = N * the largest mean attention any patch receives; it emerges where u exceeds
    three times the median of the blocks before. Without an emergence: the middle of the tower,
    where it is in all published ViTs.
    """
    method = MethodConfig("calibration")
    x = embed(visual, calibration_pixels(visual), method)
    peaks: list[float] = []
    for number, block in enumerate(visual.transformer.resblocks, start=1):
        heads = block_heads(block, x, method)
        received = ATTENTION["qk"](heads, Hints())[:, :, 1:, 1:].mean(dim=(1, 2))  # (B, P)
        peak = float((received.amax(dim=1) * received.shape[1]).mean())
        if peaks and peak > EMERGENCE * sorted(peaks)[len(peaks) // 2]:
            return number
        peaks.append(peak)
        x = run_block(block, x, method, heads=heads)
    return len(peaks) // 2 + 1


def calibration_pixels(visual: VisionTransformer) -> Tensor:
    """Normalised pixels (B, 3, H, W) with the spectrum of photos (1 / f) and hard edges."""
    generator = torch.Generator().manual_seed(0)
    patch = visual.patch_size[0]
    side = CALIBRATION_SIDE_PX // patch * patch
    shape = (CALIBRATION_IMAGES, 3, side, side)
    frequency = torch.fft.fftfreq(side)[:, None].square() + torch.fft.rfftfreq(side).square()
    spectrum = torch.fft.rfft2(torch.randn(shape, generator=generator))
    smooth = torch.fft.irfft2(spectrum / frequency.sqrt().clamp_min(1 / side), s=(side, side))
    pixels = smooth / smooth.std(dim=(2, 3), keepdim=True)
    for image in pixels:
        for _ in range(4):
            top, left = torch.randint(0, side * 3 // 4, (2,), generator=generator).tolist()
            height, width = torch.randint(side // 8, side // 3, (2,), generator=generator).tolist()
            colour = torch.randn(3, 1, 1, generator=generator)
            image[:, top : top + height, left : left + width] = colour
    return pixels.to(visual.conv1.weight)


def loud_channels(visual: VisionTransformer) -> list[LoudChannel]:
    """The loudest feed-forward channel of each block; a report, and what `channel_gains` uses."""
    loudest = []
    for number, block in enumerate(visual.transformer.resblocks, start=1):
        size = block.mlp.c_proj.weight.float().norm(dim=1)  # (D,)
        channel = int(size.argmax())
        others = (size.sum() - size[channel]) / (len(size) - 1)
        loudest.append(LoudChannel(number, channel, float(size[channel] / others)))
    return loudest


def channel_gains(
    loudest: Sequence[LoudChannel], method: MethodConfig, global_block: int, width: int
) -> dict[int, Tensor]:
    """Gains (D,) by block that bring a loud channel back to the mean of the others."""
    if not method.suppress_channels:
        return {}
    gains = {}
    for loud in loudest:
        if loud.block > global_block and loud.ratio > method.suppress_above:
            gains[loud.block] = torch.ones(width)
            gains[loud.block][loud.channel] = 1 / loud.ratio
    return gains
