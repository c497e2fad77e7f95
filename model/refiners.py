"""Refiners pull blocky class probabilities onto the edges of the image, at full resolution.

All have one signature, so a project may choose by name:
    refine("guided", probs, image)            -> probs (K, H, W)
    refine_to_labels("guided", probs, image)  -> the best class of each pixel, and its prob
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from model.guided import GuidedConfig, guided_sampler
from model.tiles import Sampler, Tile, bilinear_tile, classes_in, tiles_of

# A class that stays below it everywhere cannot win a pixel by any refiner.
ABSENT_PROB = 1e-3


@dataclass(frozen=True)
class BilinearConfig:
    """The refiner "none" has nothing to set."""


@dataclass(frozen=True)
class BilinearSampler:
    coarse: Tensor
    image_hw: tuple[int, int]

    def __call__(self, tile: Tile, classes: Tensor) -> Tensor:
        probs = bilinear_tile(self.coarse[classes], tile, self.image_hw)
        return probs / probs.sum(dim=0, keepdim=True).clamp_min(1e-6)


def bilinear_sampler(probs: Tensor, image: Tensor, _: BilinearConfig) -> BilinearSampler:
    return BilinearSampler(probs, (image.shape[1], image.shape[2]))


@dataclass(frozen=True)
class Refiner:
    """Called with probs (K, h, w) at any size and the RGB image (3, H, W), levels 0 to 255."""

    sampler: Callable[[Tensor, Tensor, Any], Sampler]
    default_config: Any  # a frozen dataclass; its type is what a caller's config must have

    def __call__(self, probs: Tensor, image: Tensor, config: Any = None) -> Tensor:
        """Probs (K, H, W), summing to 1 over K; K * H * W * 4 bytes, so see `labels`."""
        height_px, width_px = image.shape[1:]
        refined = probs.new_zeros(len(probs), height_px, width_px)
        for tile, classes, tile_probs in self._painted(probs, image, config):
            refined[classes, tile.top : tile.bottom, tile.left : tile.right] = tile_probs
        return refined

    def labels(self, probs: Tensor, image: Tensor, config: Any = None) -> tuple[Tensor, Tensor]:
        """The class index of each pixel (H, W) int16 and its prob (H, W) float32."""
        height_px, width_px = image.shape[1:]
        label_map = torch.zeros(height_px, width_px, dtype=torch.int16, device=probs.device)
        best_prob = torch.zeros(height_px, width_px, device=probs.device)
        for tile, classes, tile_probs in self._painted(probs, image, config):
            box = (slice(tile.top, tile.bottom), slice(tile.left, tile.right))
            best_prob[box], index = tile_probs.max(dim=0)
            label_map[box] = classes[index].to(torch.int16)
        return label_map, best_prob

    def _painted(
        self, probs: Tensor, image: Tensor, config: Any
    ) -> Iterator[tuple[Tile, Tensor, Tensor]]:
        check_inputs(probs, image)
        config = self.default_config if config is None else config
        if not isinstance(config, type(self.default_config)):
            raise TypeError(
                f"This refiner's config is a {type(self.default_config).__name__}, "
                f"got {type(config).__name__}."
            )
        highest = probs.amax(dim=(1, 2))
        present = (highest > min(ABSENT_PROB, float(highest.max()) * 0.999)).nonzero()[:, 0]
        sampler = self.sampler(probs[present].float(), image, config)
        image_hw = (image.shape[1], image.shape[2])
        for tile in tiles_of(*image_hw):
            classes = classes_in(tile, sampler.coarse, image_hw, ABSENT_PROB)
            yield tile, present[classes], sampler(tile, classes)


REFINERS: dict[str, Refiner] = {
    "none": Refiner(bilinear_sampler, BilinearConfig()),
    "guided": Refiner(guided_sampler, GuidedConfig()),
}


@torch.inference_mode()
def refine(name: str, probs: Tensor, image: Tensor, config: Any = None) -> Tensor:
    """Refine probs (K, h, w) of any size to (K, H, W) with the RGB image (3, H, W)."""
    return find_refiner(name)(probs, image, config)


@torch.inference_mode()
def refine_to_labels(
    name: str, probs: Tensor, image: Tensor, config: Any = None
) -> tuple[Tensor, Tensor]:
    """As `refine`, but only each pixel's class index (H, W) int16 and its prob (H, W) float32."""
    return find_refiner(name).labels(probs, image, config)


def find_refiner(name: str) -> Refiner:
    if name not in REFINERS:
        raise ValueError(f"No refiner is called {name!r}; there are: {', '.join(REFINERS)}.")
    return REFINERS[name]


def check_inputs(probs: Tensor, image: Tensor) -> None:
    """Raise ValueError for shapes, numbers or devices that no refiner can use."""
    if probs.ndim != 3 or 0 in probs.shape:
        raise ValueError(f"probs must be (K, h, w), none of them 0; got {tuple(probs.shape)}.")
    if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        raise ValueError(f"image must be RGB (3, H, W); got {tuple(image.shape)}.")
    if probs.device != image.device:
        raise ValueError(f"probs are on {probs.device}, the image on {image.device}: use one.")
    if not torch.isfinite(probs).all() or probs.min() < 0:
        raise ValueError("probs hold NaN, infinite or negative numbers; apply softmax first.")
    if image.is_floating_point() and not torch.isfinite(image).all():
        raise ValueError("The image holds NaN or infinite levels; they must be 0 to 255.")
