"""Pixel-adaptive refinement (PAMR, Araslanov & Roth 2020): probs diffuse between like pixels.

Each step makes a pixel the mean of its neighbours at a few distances, weighted by how like their
colours are, with contrast measured against the local spread.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.refine.tiles import BilinearSampler, Sampler, resize, working_size


@dataclass(frozen=True)
class PamrConfig:
    iterations: int = 10
    dilations: tuple[int, ...] = (8, 16)  # working pixels to the eight neighbours
    contrast: float = 0.1  # of the local spread of colour: a difference that counts as one
    working_pixels: int = 336 * 336


def pamr_samplers(
    probs: Sequence[Tensor], images: Sequence[Tensor], config: PamrConfig
) -> list[Sampler]:
    """Refine probs (K, h, w) with RGB images (3, H, W), levels 0 to 255."""
    return [_pamr_sampler(*pair, config) for pair in zip(probs, images, strict=True)]


def _pamr_sampler(probs: Tensor, image: Tensor, config: PamrConfig) -> BilinearSampler:
    image_hw = (image.shape[1], image.shape[2])
    size_hw = working_size(image_hw, config.working_pixels)
    return BilinearSampler(adapt(resize(probs, size_hw), resize(image, size_hw), config), image_hw)


def adapt(probs: Tensor, rgb: Tensor, config: PamrConfig) -> Tensor:
    """Diffuse probs (K, h, w) by the colours (3, h, w)."""
    weights = neighbour_weights(rgb, config)  # (8 per dilation, h, w)
    for _ in range(config.iterations):
        diffused = torch.zeros_like(probs)
        for neighbour, weight in zip(neighbours(probs, config.dilations), weights, strict=True):
            diffused.addcmul_(neighbour, weight)  # one neighbour at a time: K * h * w in memory
        probs = diffused
    return probs


def neighbour_weights(rgb: Tensor, config: PamrConfig) -> Tensor:
    """How much each neighbour counts (8 per dilation, h, w); a pixel's weights sum to 1."""
    around = torch.stack(list(neighbours(rgb, config.dilations)))  # (n, 3, h, w)
    # The paper's spread is that of whole 3 x 3 windows: the centre counts once per dilation.
    centres = rgb.expand(len(config.dilations), *rgb.shape)
    spread = torch.cat([around, centres]).std(dim=0)
    difference = (around - rgb).abs() / (config.contrast * spread + 1e-8)
    return (-difference).mean(dim=1).softmax(dim=0)


def neighbours(maps: Tensor, dilations: Sequence[int]) -> Iterator[Tensor]:
    """The eight neighbours at each distance, each (C, h, w); the border is repeated."""
    height, width = maps.shape[1:]
    for distance in dilations:
        padded = F.pad(maps[None], [distance] * 4, mode="replicate")[0]
        for top in (0, distance, 2 * distance):
            for left in (0, distance, 2 * distance):
                if (top, left) != (distance, distance):
                    yield padded[:, top : top + height, left : left + width]
