"""Further looks at a window: ITACLIP's image engineering (2411.12044).

All work on normalised pixels (B, 3, H, W), as its code does.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

BLUR_PX = 11
BLUR_STD_PX = 5.0


def grayscale(pixels: Tensor) -> Tensor:
    luma = pixels.new_tensor([0.2989, 0.587, 0.114]).view(3, 1, 1)
    return (pixels * luma).sum(dim=1, keepdim=True).expand_as(pixels)


def blur(pixels: Tensor) -> Tensor:
    """Gaussian blur of 11 pixels, borders reflected."""
    offset = torch.arange(BLUR_PX, device=pixels.device) - BLUR_PX // 2
    line = torch.exp(-0.5 * (offset / BLUR_STD_PX) ** 2)
    line = line / line.sum()
    kernel = torch.outer(line, line).expand(3, 1, -1, -1).to(pixels)
    padded = F.pad(pixels, [BLUR_PX // 2] * 4, mode="reflect")
    return F.conv2d(padded, kernel, groups=3)


VIEWS: dict[str, Callable[[Tensor], Tensor]] = {"gray": grayscale, "blur": blur}
FLIPS = ((2,), (3,))  # up-down and left-right, as dimensions of (B, C, H, W)
