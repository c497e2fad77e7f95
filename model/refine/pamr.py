"""Pixel-adaptive refinement (PAMR, Araslanov and Roth 2020): probs diffuse between similar pixels.

Each step replaces a pixel by the mean of its neighbors at a few distances, weighted by the softmax
of minus their color difference, in units of the local standard deviation of the colors.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.refine.tiles import BilinearSampler, resize, working_size


@dataclass(frozen=True)
class PamrConfig:
    iterations: int = 10
    dilations: tuple[int, ...] = (8, 16)  # working pixels to the eight neighbors
    contrast: float = 0.1  # of the local std of the colors: a difference that counts as one
    working_pixels: int = 336 * 336


def pamr_sampler(probs: Tensor, image: Tensor, config: PamrConfig) -> BilinearSampler:
    """Refine probs (K, h, w) with the RGB image (3, H, W), levels 0 to 255."""
    image_hw = (image.shape[1], image.shape[2])
    size_hw = working_size(image_hw, config.working_pixels)
    refined = diffuse(resize(probs, size_hw), resize(image, size_hw), config)
    return BilinearSampler(refined, image_hw)


def diffuse(maps: Tensor, rgb: Tensor, config: PamrConfig) -> Tensor:
    """Maps (K, h, w) after the config's iterations, guided by the colors (3, h, w) of any scale."""
    weights = neighbor_weights(rgb, config)  # (8 per dilation, h, w)
    for _ in range(config.iterations):
        diffused = torch.zeros_like(maps)
        for neighbor, weight in zip(neighbors(maps, config.dilations), weights, strict=True):
            diffused.addcmul_(neighbor, weight)  # one neighbor at a time: K * h * w in memory
        maps = diffused
    return maps


def neighbor_weights(rgb: Tensor, config: PamrConfig) -> Tensor:
    """Weight of each neighbor (8 per dilation, h, w); those of a pixel sum to 1."""
    around = torch.stack(list(neighbors(rgb, config.dilations)))  # (n, 3, h, w)
    # The paper takes the std over whole 3 x 3 windows: the center counts once per dilation.
    centers = rgb.expand(len(config.dilations), *rgb.shape)
    spread = torch.cat([around, centers]).std(dim=0)
    difference = (around - rgb).abs() / (config.contrast * spread + 1e-8)
    return (-difference).mean(dim=1).softmax(dim=0)


def neighbors(maps: Tensor, dilations: Sequence[int]) -> Iterator[Tensor]:
    """The eight neighbors at each distance, each (C, h, w); the border is repeated."""
    height, width = maps.shape[1:]
    for distance in dilations:
        padded = F.pad(maps[None], [distance] * 4, mode="replicate")[0]
        for top in (0, distance, 2 * distance):
            for left in (0, distance, 2 * distance):
                if (top, left) != (distance, distance):
                    yield padded[:, top : top + height, left : left + width]
