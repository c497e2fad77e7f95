"""Guided filter: in each window the probs become a linear function of the colour.

He, Sun & Tang (2010), with the coefficients found at a small size and applied at full size
(He & Sun, 2015: the fast guided filter).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.refine.tiles import Sampler, Tile, bilinear_tile, normalized, resize, working_size


@dataclass(frozen=True)
class GuidedConfig:
    radius: float = 0.03  # half side of the window, of the image's mean side sqrt(H * W)
    rgb_std: float = 10.0  # 8-bit levels: contrast below it is smoothed, above it is an edge
    working_pixels: int = 128 * 128  # where the coefficients are found


@dataclass(frozen=True)
class GuidedSampler:
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


def guided_samplers(
    probs: Sequence[Tensor], images: Sequence[Tensor], config: GuidedConfig
) -> list[Sampler]:
    """Fit probs (K, h, w) to RGB images (3, H, W), levels 0 to 255."""
    samplers: list[Sampler] = []
    for own_probs, image in zip(probs, images, strict=True):
        size_hw = working_size((image.shape[1], image.shape[2]), config.working_pixels)
        radius = max(1, round(config.radius * (size_hw[0] * size_hw[1]) ** 0.5))
        own_probs, rgb = resize(own_probs, size_hw), resize(image, size_hw)
        samplers.append(fit(own_probs, rgb, image, radius=radius, rgb_std=config.rgb_std))
    return samplers


def fit(probs: Tensor, rgb: Tensor, image: Tensor, *, radius: int, rgb_std: float) -> GuidedSampler:
    """Linear functions of the colours (3, h, w) that give the probs (K, h, w), in each window."""
    mean_rgb, mean_probs = box_mean(rgb, radius), box_mean(probs, radius)
    # Centred on the whole image's mean: the difference of two large means loses digits.
    centred = rgb - rgb.mean(dim=(1, 2), keepdim=True)
    mean_centred = box_mean(centred, radius)
    variance = box_mean((centred[:, None] * centred).flatten(0, 1), radius).unflatten(0, (3, 3))
    variance = variance - mean_centred[:, None] * mean_centred  # (3, 3, h, w)
    covariance = box_mean((probs[:, None] * centred).flatten(0, 1), radius).unflatten(0, (-1, 3))
    covariance = covariance - mean_probs[:, None] * mean_centred  # (K, 3, h, w)

    ridge = rgb_std**2 * torch.eye(3, device=rgb.device)
    slope = torch.linalg.solve(
        variance.permute(2, 3, 0, 1) + ridge, covariance.permute(2, 3, 1, 0)
    ).permute(3, 2, 0, 1)  # (K, 3, h, w)
    offset = mean_probs - (slope * mean_rgb).sum(dim=1)
    slope = box_mean(slope.flatten(0, 1), radius).unflatten(0, (-1, 3))
    offset = box_mean(offset, radius)
    coarse = normalized((slope * rgb).sum(dim=1) + offset)
    return GuidedSampler(coarse, slope, offset, image)


def box_mean(maps: Tensor, radius: int) -> Tensor:
    """Mean of each (2 radius + 1)² window of (C, H, W), cut at the border."""
    height, width = maps.shape[1:]
    return window_means(height, radius, maps) @ maps @ window_means(width, radius, maps).T


def window_means(cells: int, radius: int, like: Tensor) -> Tensor:
    """A band (cells, cells) whose rows take the mean of what is within `radius`."""
    i = torch.arange(cells, device=like.device)
    band = ((i[:, None] - i).abs() <= radius).to(like)
    return band / band.sum(dim=1, keepdim=True)
