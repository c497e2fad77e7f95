"""Guided filter: in each window the probabilities are a linear function of the color.

He, Sun and Tang (2010), with the coefficients found at a small size and applied at full size
(He and Sun 2015: the fast guided filter).
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from model.refine.tiles import Tile, bilinear_tile, normalized, resize, working_size


@dataclass(frozen=True)
class GuidedConfig:
    radius: float = 0.03  # half side of the window, of the image's mean side sqrt(H * W)
    rgb_std: float = 10.0  # 8-bit levels: contrast below it is smoothed, above it is an edge
    working_pixels: int = 128 * 128  # where the coefficients are found


@dataclass(frozen=True)
class GuidedSampler:
    """Probs slope · color + offset, with the coefficients enlarged to full size."""

    coarse: Tensor  # (K, h, w)
    slope: Tensor  # (K, 3, h, w) prob per level of red, green, blue
    offset: Tensor  # (K, h, w)
    image: Tensor  # (3, H, W)

    def __call__(self, tile: Tile, classes: Tensor) -> Tensor:
        image_hw = (self.image.shape[1], self.image.shape[2])
        planes = torch.cat([self.offset[classes], *self.slope[classes].unbind(dim=1)])  # (4k, h, w)
        planes = bilinear_tile(planes, tile, image_hw)
        probs, *slopes = planes.split(len(classes))
        rgb = self.image[:, tile.top : tile.bottom, tile.left : tile.right].float()
        for slope, levels in zip(slopes, rgb, strict=True):
            probs.addcmul_(slope, levels)
        return normalized(probs)


def guided_sampler(probs: Tensor, image: Tensor, config: GuidedConfig) -> GuidedSampler:
    """Refine probs (K, h, w) with the RGB image (3, H, W), levels 0 to 255."""
    size_hw = working_size((image.shape[1], image.shape[2]), config.working_pixels)
    radius_px = max(1, round(config.radius * (size_hw[0] * size_hw[1]) ** 0.5))
    return fit_guided_filter(
        resize(probs, size_hw),
        resize(image, size_hw),
        image,
        radius_px=radius_px,
        rgb_std=config.rgb_std,
    )


def fit_guided_filter(
    probs: Tensor, rgb: Tensor, image: Tensor, *, radius_px: int, rgb_std: float
) -> GuidedSampler:
    """The linear functions of the colors (3, h, w) that fit the probs (K, h, w) in each window."""
    mean_rgb, mean_probs = box_mean(rgb, radius_px), box_mean(probs, radius_px)
    # Relative to the whole image's mean: the difference of two large means loses digits.
    centered = rgb - rgb.mean(dim=(1, 2), keepdim=True)
    mean_centered = box_mean(centered, radius_px)
    variance = box_mean((centered[:, None] * centered).flatten(0, 1), radius_px)
    variance = variance.unflatten(0, (3, 3)) - mean_centered[:, None] * mean_centered
    covariance = box_mean((probs[:, None] * centered).flatten(0, 1), radius_px)
    covariance = covariance.unflatten(0, (-1, 3)) - mean_probs[:, None] * mean_centered

    ridge = rgb_std**2 * torch.eye(3, device=rgb.device)
    slope = torch.linalg.solve(  # variance (3, 3, h, w), covariance (K, 3, h, w)
        variance.permute(2, 3, 0, 1) + ridge, covariance.permute(2, 3, 1, 0)
    ).permute(3, 2, 0, 1)  # (K, 3, h, w)
    offset = mean_probs - (slope * mean_rgb).sum(dim=1)
    slope = box_mean(slope.flatten(0, 1), radius_px).unflatten(0, (-1, 3))
    offset = box_mean(offset, radius_px)
    coarse = normalized((slope * rgb).sum(dim=1) + offset)
    return GuidedSampler(coarse, slope, offset, image)


def box_mean(maps: Tensor, radius_px: int) -> Tensor:
    """Mean of each (2 radius + 1)² window of (C, H, W), cut at the border."""
    if maps.device.type == "cpu":
        return _box_mean_on_cpu(maps, radius_px)
    height, width = maps.shape[1:]
    return window_means(height, radius_px, maps) @ maps @ window_means(width, radius_px, maps).T


def _box_mean_on_cpu(maps: Tensor, radius_px: int) -> Tensor:
    """By OpenCV's running sums: a tenth of the time of the matrix product at 584 x 565."""
    side, outside = (2 * radius_px + 1,) * 2, cv2.BORDER_CONSTANT  # of zeros
    counts = cv2.boxFilter(
        np.ones(maps.shape[1:], np.float32), -1, side, None, (-1, -1), False, outside
    )
    means = torch.empty(maps.shape)
    for plane, mean in zip(maps.float().contiguous().numpy(), means.numpy(), strict=True):
        cv2.boxFilter(plane, -1, side, mean, (-1, -1), False, outside)
        mean /= counts
    return means


def window_means(cells: int, radius_px: int, like: Tensor) -> Tensor:
    """Band matrix (cells, cells) whose row i takes the mean of cells i - radius to i + radius."""
    i = torch.arange(cells, device=like.device)
    band = ((i[:, None] - i).abs() <= radius_px).to(like)
    return band / band.sum(dim=1, keepdim=True)
