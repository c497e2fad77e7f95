"""What can be measured on an image tower without labels, when it is loaded.

Towers trained by their class token alone make their last patch tokens alike; a few patches carry
the whole image, and a few channels massive activations. How much differs by checkpoint, so it is
measured, on images with the statistics of photos, instead of looked up by name.
Shapes: B images, N = 1 + P tokens (class token first), D channels. Blocks are numbered 1 to L.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from open_clip.transformer import QuickGELU, VisionTransformer
from torch import Tensor

from model.encoder.attention import attention_weights
from model.encoder.tower import Tower

EMERGENCE_RATIO = 3.0  # times the median of the earlier blocks; a heuristic of ours
MASSIVE_RATIO = 8.0  # times the median channel's largest activation; a heuristic of ours
LARGEST_CHANNELS = 32
CALIBRATION_SIDE_PX = 224
CALIBRATION_IMAGES = 4


@dataclass(frozen=True)
class TowerTraits:
    """Of a tower as its checkpoint runs it."""

    n_blocks: int
    width: int  # channels
    quick_gelu: bool
    middle_cosine: float  # mean of two patches of an image, after three quarters of the blocks
    last_cosine: float  # after the last block
    global_block: int  # where global tokens emerge; the middle of the tower where none are seen
    has_global_tokens: bool
    largest_channels: tuple[int, ...]  # LARGEST_CHANNELS of the tokens before the last block
    n_massive: int  # channels of those tokens above MASSIVE_RATIO times the median one

    def describe(self) -> str:
        """One line for /ready and start-up."""
        tokens = (
            f"global tokens from block {self.global_block}"
            if self.has_global_tokens
            else "no global tokens"
        )
        return (
            f"{self.n_blocks} blocks of {self.width} channels, "
            f"cosine of two patches {self.last_cosine:.2f} after the last block and "
            f"{self.middle_cosine:.2f} before, {tokens}, "
            f"{self.n_massive} massive channels"
        )


def measure_traits(visual: VisionTransformer) -> TowerTraits:
    """Traits of the tower on CALIBRATION_IMAGES synthetic images.

    Global tokens (GCLIP, 2502.06818): u of block l is P * the largest mean attention that any patch
    receives; they emerge in the first block whose u exceeds EMERGENCE_RATIO times the median of the
    blocks before.
    """
    tower = Tower(visual)
    x = tower.embed(calibration_pixels(visual))
    middle = max(1, tower.n_blocks * 3 // 4)
    peaks: list[float] = []
    cosines: list[float] = []
    before_last = x
    for number in range(1, tower.n_blocks + 1):
        before_last = x
        heads = tower.block_heads(number, x)
        received = attention_weights("qk", heads)[:, :, 1:, 1:].mean(dim=(1, 2))  # (B, P)
        peaks.append(float((received.amax(dim=1) * received.shape[1]).mean()))
        x = tower.run_block(number, x, heads)
        cosines.append(mean_patch_cosine(x))
    largest = before_last[:, 1:].float().abs().amax(dim=(0, 1))  # (D,)
    order = largest.argsort(descending=True)
    emerging = _first_peak(peaks)
    return TowerTraits(
        n_blocks=tower.n_blocks,
        width=x.shape[2],
        quick_gelu=any(isinstance(part, QuickGELU) for part in visual.modules()),
        middle_cosine=cosines[middle - 1],
        last_cosine=cosines[-1],
        global_block=emerging or tower.n_blocks // 2 + 1,
        has_global_tokens=emerging is not None,
        largest_channels=tuple(order[:LARGEST_CHANNELS].tolist()),
        n_massive=int((largest > MASSIVE_RATIO * largest.median()).sum()),
    )


def _first_peak(peaks: list[float]) -> int | None:
    """Number of the first block that exceeds the median of those before it by the ratio."""
    for index in range(1, len(peaks)):
        earlier = sorted(peaks[:index])
        if peaks[index] > EMERGENCE_RATIO * earlier[index // 2]:
            return index + 1
    return None


def mean_patch_cosine(x: Tensor) -> float:
    """Mean cosine of two different patches of an image, of tokens x (B, N, D)."""
    unit = F.normalize(x[:, 1:].float(), dim=-1)
    count = unit.shape[1]
    total = unit.sum(dim=1).square().sum(dim=-1)  # of all pairs, each patch with itself too
    return float(((total - count) / (count * (count - 1))).mean())


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
