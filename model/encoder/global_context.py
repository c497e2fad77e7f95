"""Global context: attention maps of middle blocks fused into the last one.

After GCLIP (2502.06818): from some middle block on, a few "global tokens" are attended to by all
patches. The attention of the blocks where they emerge carries the context of the image without
being homogeneous yet, so it is averaged into that of the last block.
Shapes: B windows, N tokens. Blocks are numbered 1 to L.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from open_clip.transformer import VisionTransformer
from torch import Tensor

from model.encoder.attention import Heads, attention_weights
from model.encoder.tower import Tower

EMERGENCE_RATIO = 3.0  # times the median of the earlier blocks; a heuristic of ours
CALIBRATION_SIDE_PX = 224
CALIBRATION_IMAGES = 4


@dataclass(frozen=True)
class ContextConfig:
    """Which blocks' attention is fused into the last one, and how much of it."""

    blocks: tuple[int, ...] = ()
    emerging: bool = False  # instead: the block where global tokens emerge, and the next
    attention: str = "qk"  # names in ATTENTION, joined by "+"
    share: float = 0.0  # 0..1, of the fused weights


@dataclass(frozen=True, eq=False)
class ContextAttention:
    """Attention weights of the context blocks, and their share in the fused ones."""

    weights: Tensor  # (B, heads, N, N)
    share: float

    def fuse(self, own: Tensor, context: Tensor) -> Tensor:
        """(1 - share) * own + share * context, for weights or for attended values."""
        return (1 - self.share) * own + self.share * context


def context_attention(
    context: Sequence[Heads], config: ContextConfig, *, attend_class: bool
) -> ContextAttention | None:
    """The mean attention of the context blocks' heads; None if there are none.

    Without `attend_class` the last block runs on patches alone, and so do these weights.
    """
    if not context:
        return None
    total = attention_weights(config.attention, context[0])
    for heads in context[1:]:
        total = total + attention_weights(config.attention, heads)
    weights = total / len(context)
    return ContextAttention(weights if attend_class else weights[..., 1:, 1:], config.share)


def emerging_blocks(global_block: int, n_blocks: int) -> tuple[int, ...]:
    """The block where global tokens emerge and the next one, never the last."""
    return tuple(block for block in (global_block, global_block + 1) if block < n_blocks)


def find_global_block(visual: VisionTransformer) -> int:
    """Number of the block where global tokens emerge.

    Of block l: u = N * the largest mean attention that any patch receives; tokens emerge in the
    first block whose u exceeds EMERGENCE_RATIO times the median of the blocks before. Without one:
    the middle of the tower, where it is in all published ViTs.
    """
    tower = Tower(visual)
    x = tower.embed(calibration_pixels(visual))
    peaks: list[float] = []
    for number in range(1, tower.n_blocks + 1):
        heads = tower.block_heads(number, x)
        received = attention_weights("qk", heads)[:, :, 1:, 1:].mean(dim=(1, 2))  # (B, P)
        peak = float((received.amax(dim=1) * received.shape[1]).mean())
        if peaks and peak > EMERGENCE_RATIO * sorted(peaks)[len(peaks) // 2]:
            return number
        peaks.append(peak)
        x = tower.run_block(number, x, heads)
    return len(peaks) // 2 + 1


def calibration_pixels(visual: VisionTransformer) -> Tensor:
    """Normalized pixels (B, 3, H, W) with the spectrum of photos (1 / f) and hard edges."""
    generator = torch.Generator().manual_seed(0)
    patch = visual.patch_size[0]
    side = CALIBRATION_SIDE_PX // patch * patch
    shape = (CALIBRATION_IMAGES, 3, side, side)
    frequency = torch.fft.fftfreq(side)[:, None].square() + torch.fft.rfftfreq(side).square()
    spectrum = torch.fft.rfft2(torch.randn(shape, generator=generator))
    smooth = torch.fft.irfft2(spectrum / frequency.sqrt().clamp_min(1 / side), s=(side, side))
    pixels: Tensor = smooth / smooth.std(dim=(2, 3), keepdim=True)
    for image in pixels:
        for _ in range(4):
            top, left = torch.randint(0, side * 3 // 4, (2,), generator=generator).tolist()
            height, width = torch.randint(side // 8, side // 3, (2,), generator=generator).tolist()
            color = torch.randn(3, 1, 1, generator=generator)
            image[:, top : top + height, left : left + width] = color
    return pixels.to(visual.conv1.weight)
