"""Further versions of a window, whose features are averaged (ITACLIP, 2411.12044).

All work on normalized pixels (B, 3, H, W), as its code does.
"""

from collections.abc import Callable

from torch import Tensor
from torchvision.transforms.functional import gaussian_blur, rgb_to_grayscale

VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "gray": lambda pixels: rgb_to_grayscale(pixels, num_output_channels=3),
    "blur": lambda pixels: gaussian_blur(pixels, [11, 11], [5.0, 5.0]),
}
FLIPS = ((2,), (3,))  # up-down and left-right, as dimensions of (B, C, H, W)
