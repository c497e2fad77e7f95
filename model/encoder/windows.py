"""Windows: overlapping crops of the resized image, and their tokens averaged back on one grid.

Sides, windows and strides are whole patches, so tokens of overlapping windows coincide exactly.
Shapes: H, W pixels; h, w patches; D channels; N windows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

MAX_WINDOW_PX = 1024  # of an image taken whole: its attention maps grow with the fourth power
MIN_SIDE_PATCHES = 4  # a very narrow image is widened to this, so that patches have context


@dataclass(frozen=True)
class WindowConfig:
    """The image is resized, then cut; a window of 0 px takes it whole."""

    short_side_px: int = 336
    max_long_side_px: int = 2048
    window_px: int = 224
    stride_px: int = 112
    global_view_px: int = 0  # short side of one more pass over the whole image; 0: none
    global_view_share: float = 0.5  # of its features, beside 1 of those of the windows
    views: tuple[str, ...] = ()  # further versions of each window, names in VIEWS (ITACLIP)
    flip_share: float = 0.0  # 0..1, of the flipped versions in the features (ITACLIP)


@dataclass(frozen=True)
class WindowPlan:
    resized_hw: tuple[int, int]  # pixels, whole patches
    window_hw: tuple[int, int]  # pixels, whole patches
    corners_yx: tuple[tuple[int, int], ...]  # pixels, whole patches
    patch_px: int

    @property
    def grid_hw(self) -> tuple[int, int]:
        """Patches of the resized image."""
        return self.resized_hw[0] // self.patch_px, self.resized_hw[1] // self.patch_px

    @property
    def window_grid_hw(self) -> tuple[int, int]:
        """Patches of each window."""
        return self.window_hw[0] // self.patch_px, self.window_hw[1] // self.patch_px

    @property
    def window_tokens(self) -> int:
        """Patches of a window, and its class token."""
        height, width = self.window_grid_hw
        return 1 + height * width


def plan_windows(image_hw: tuple[int, int], config: WindowConfig, patch_px: int) -> WindowPlan:
    """Where the windows of an image of H x W pixels lie."""
    resized_hw = _resized_hw(image_hw, config, patch_px)
    window_px = config.window_px or MAX_WINDOW_PX
    stride_px = config.stride_px if config.window_px else MAX_WINDOW_PX // 2
    window_px, stride_px = (
        max(1, round(pixels / patch_px)) * patch_px
        for pixels in (window_px, min(stride_px, window_px))
    )
    window_hw = min(window_px, resized_hw[0]), min(window_px, resized_hw[1])
    corners = tuple(
        (y, x)
        for y in _starts(resized_hw[0], window_hw[0], stride_px)
        for x in _starts(resized_hw[1], window_hw[1], stride_px)
    )
    return WindowPlan(resized_hw, window_hw, corners, patch_px)


def _resized_hw(image_hw: tuple[int, int], config: WindowConfig, patch_px: int) -> tuple[int, int]:
    scale = min(
        config.short_side_px / min(image_hw),
        config.max_long_side_px / max(image_hw),
    )
    height, width = (
        max(MIN_SIDE_PATCHES, round(side * scale / patch_px)) * patch_px for side in image_hw
    )
    return height, width


def _starts(length: int, window: int, stride: int) -> list[int]:
    """Starts of windows that cover the length; the last one ends at its end."""
    return [*range(0, length - window, stride), length - window]


def resize_image(image: NDArray[np.uint8], size_hw: tuple[int, int]) -> Tensor:
    """RGB uint8 (H, W, 3) resized to uint8 (3, h, w), with antialiasing where it shrinks."""
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
    if tuple(pixels.shape[1:]) == size_hw:
        return pixels.contiguous()
    return F.interpolate(pixels[None], size=size_hw, mode="bilinear", antialias=True)[0]


def cut(pixels: Tensor, plan: WindowPlan) -> Iterator[Tensor]:
    """The windows of (C, H, W), in the plan's order."""
    height, width = plan.window_hw
    for y, x in plan.corners_yx:
        yield pixels[:, y : y + height, x : x + width]


class TokenCanvas:
    """The mean of overlapping windows' tokens (D, h, w), filled one window at a time."""

    def __init__(self, embed_dim: int, plan: WindowPlan) -> None:
        self.plan = plan
        self.total = torch.zeros(embed_dim, *plan.grid_hw)
        self.count = torch.zeros(plan.grid_hw)

    def add(self, index: int, tokens: Tensor) -> None:
        """Add the tokens (D, h, w) of window `index` at its place."""
        y, x = (corner // self.plan.patch_px for corner in self.plan.corners_yx[index])
        rows, columns = slice(y, y + tokens.shape[1]), slice(x, x + tokens.shape[2])
        self.total[:, rows, columns] += tokens
        self.count[rows, columns] += 1

    def mean(self) -> Tensor:
        return self.total / self.count
