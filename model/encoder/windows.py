"""Windows: cut a resized image into overlapping crops, and lay their tokens back on one grid.

Sides, windows and strides are whole patches, so tokens of overlapping windows meet exactly.
Shapes: H, W pixels; h, w patches; D channels; N windows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.methods import MethodConfig

MAX_WINDOW_PX = 1024  # of an image taken whole: its attention maps grow with the fourth power
MIN_SIDE_PATCHES = 4  # a ribbon of an image is widened to this, so that it has context at all


@dataclass(frozen=True)
class WindowPlan:
    resized_hw: tuple[int, int]  # pixels, whole patches
    window_hw: tuple[int, int]  # pixels, whole patches
    corners_yx: tuple[tuple[int, int], ...]  # pixels, whole patches
    patch_px: int

    @property
    def grid_hw(self) -> tuple[int, int]:
        return self.resized_hw[0] // self.patch_px, self.resized_hw[1] // self.patch_px

    @property
    def window_tokens(self) -> int:
        """Patches of a window, and its class token."""
        height, width = self.window_hw
        return 1 + (height // self.patch_px) * (width // self.patch_px)


def plan_windows(image_hw: tuple[int, int], method: MethodConfig, patch_px: int) -> WindowPlan:
    """Where the windows of an image of H x W pixels lie."""
    resized_hw = _resized(image_hw, method, patch_px)
    window_px = method.window_px or MAX_WINDOW_PX
    stride_px = method.stride_px if method.window_px else MAX_WINDOW_PX // 2
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


def _resized(image_hw: tuple[int, int], method: MethodConfig, patch_px: int) -> tuple[int, int]:
    scale = min(
        method.short_side_px / min(image_hw),
        method.max_long_side_px / max(image_hw),
    )
    height, width = (
        max(MIN_SIDE_PATCHES, round(side * scale / patch_px)) * patch_px for side in image_hw
    )
    return height, width


def _starts(length: int, window: int, stride: int) -> list[int]:
    """Starts of windows that cover the length; the last one ends at its end."""
    return [*range(0, length - window, stride), length - window]


def resize_image(image: np.ndarray, size_hw: tuple[int, int]) -> Tensor:
    """Resize RGB uint8 (H, W, 3) to uint8 (3, h, w), averaging where it shrinks."""
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
        """Lay the tokens (D, h, w) of window `index`."""
        y, x = (corner // self.plan.patch_px for corner in self.plan.corners_yx[index])
        rows, columns = slice(y, y + tokens.shape[1]), slice(x, x + tokens.shape[2])
        self.total[:, rows, columns] += tokens
        self.count[rows, columns] += 1

    def mean(self) -> Tensor:
        return self.total / self.count
