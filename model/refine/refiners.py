"""Refiners pull blocky class probabilities onto the edges of the image, at full resolution.

All have one signature, so a project may choose by name:
    refine("crf", probs, image)            -> probs (K, H, W)
    refine_to_labels("crf", probs, image)  -> the best class of each pixel, and its prob
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from model.errors import unknown_name
from model.refine.crf import CrfConfig, crf_samplers
from model.refine.guided import GuidedConfig, guided_samplers
from model.refine.pamr import PamrConfig, pamr_samplers
from model.refine.tiles import BilinearSampler, Sampler, Tile, above, classes_in, tiles_of

# A class that stays below it everywhere wins no pixel by any refiner.
ABSENT_PROB = 0.01


@dataclass(frozen=True)
class BilinearConfig:
    """The refiner "none" has nothing to set."""


RefinerConfig = BilinearConfig | GuidedConfig | PamrConfig | CrfConfig


def bilinear_samplers(
    probs: Sequence[Tensor], images: Sequence[Tensor], _: BilinearConfig
) -> list[Sampler]:
    return [
        BilinearSampler(own_probs, (image.shape[1], image.shape[2]))
        for own_probs, image in zip(probs, images, strict=True)
    ]


@dataclass(frozen=True)
class Refiner:
    """Called with probs (K, h, w) of any size and the RGB image (3, H, W), levels 0 to 255."""

    samplers: Callable[[Sequence[Tensor], Sequence[Tensor], Any], list[Sampler]]
    default_config: RefinerConfig

    def __call__(self, probs: Tensor, image: Tensor, config: RefinerConfig | None = None) -> Tensor:
        """Probs (K, H, W), summing to 1 over K: 4 bytes each, so for large images see `labels`."""
        refined = image.new_zeros(len(probs), *image.shape[1:], dtype=torch.float32)
        for _, tile, classes, tile_probs in self._paint([probs], [image], config):
            refined[classes, tile.top : tile.bottom, tile.left : tile.right] = tile_probs
        return refined

    def labels(
        self, probs: Sequence[Tensor], images: Sequence[Tensor], config: RefinerConfig | None = None
    ) -> list[tuple[Tensor, Tensor]]:
        """For each image: each pixel's class index (H, W) int16, and its prob (H, W) float32."""
        answers = [
            (image.new_zeros(image.shape[1:], dtype=torch.int16),
             image.new_zeros(image.shape[1:], dtype=torch.float32))
            for image in images
        ]  # fmt: skip
        for index, tile, classes, tile_probs in self._paint(probs, images, config):
            label_map, best_prob = answers[index]
            box = (slice(tile.top, tile.bottom), slice(tile.left, tile.right))
            best_prob[box], best = tile_probs.max(dim=0)
            label_map[box] = classes[best].to(torch.int16)
        return answers

    def _paint(
        self, probs: Sequence[Tensor], images: Sequence[Tensor], config: RefinerConfig | None
    ) -> Iterator[tuple[int, Tile, Tensor, Tensor]]:
        """Image index, tile, its classes (k,), and their probs (k, height, width) in the tile."""
        config = self.default_config if config is None else config
        if type(config) is not type(self.default_config):
            raise ValueError(
                f"This refiner's config is a {type(self.default_config).__name__}; "
                f"got a {type(config).__name__}."
            )
        for own_probs, image in zip(probs, images, strict=True):
            check_inputs(own_probs, image)
        present = [above(own_probs, ABSENT_PROB) for own_probs in probs]
        kept = [own_probs[p].float() for own_probs, p in zip(probs, present, strict=True)]
        for index, sampler in enumerate(self.samplers(kept, images, config)):
            image_hw = (images[index].shape[1], images[index].shape[2])
            for tile in tiles_of(*image_hw):
                classes = classes_in(tile, sampler.coarse, image_hw, ABSENT_PROB)
                yield index, tile, present[index][classes], sampler(tile, classes)


REFINERS: dict[str, Refiner] = {
    "none": Refiner(bilinear_samplers, BilinearConfig()),
    "guided": Refiner(guided_samplers, GuidedConfig()),
    "pamr": Refiner(pamr_samplers, PamrConfig()),
    "crf": Refiner(crf_samplers, CrfConfig()),
}


@torch.inference_mode()
def refine(name: str, probs: Tensor, image: Tensor, config: RefinerConfig | None = None) -> Tensor:
    """Refine probs (K, h, w) of any size to (K, H, W) with the RGB image (3, H, W)."""
    return find_refiner(name)(probs, image, config)


@torch.inference_mode()
def refine_to_labels(
    name: str, probs: Tensor, image: Tensor, config: RefinerConfig | None = None
) -> tuple[Tensor, Tensor]:
    """As `refine`, but only each pixel's class index (H, W) int16 and its prob (H, W) float32."""
    return find_refiner(name).labels([probs], [image], config)[0]


@torch.inference_mode()
def refine_batch_to_labels(
    name: str,
    probs: Sequence[Tensor],
    images: Sequence[Tensor],
    config: RefinerConfig | None = None,
) -> list[tuple[Tensor, Tensor]]:
    """As `refine_to_labels` for many images, each with its own K; those of one size go together."""
    return find_refiner(name).labels(probs, images, config)


def find_refiner(name: str) -> Refiner:
    if name not in REFINERS:
        raise unknown_name("refiner", name, REFINERS)
    return REFINERS[name]


def check_inputs(probs: Tensor, image: Tensor) -> None:
    """Raise ValueError for shapes, numbers or devices that no refiner can use."""
    if probs.ndim != 3 or 0 in probs.shape:
        raise ValueError(f"probs must be (K, h, w), none of them 0; got {tuple(probs.shape)}.")
    if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        raise ValueError(f"The image must be RGB (3, H, W); got {tuple(image.shape)}.")
    if probs.device != image.device:
        raise ValueError(f"probs are on {probs.device}, the image on {image.device}: move one.")
    if not torch.isfinite(probs).all() or probs.min() < 0:
        raise ValueError("probs hold NaN, infinite or negative numbers; apply softmax to logits.")
    if image.is_floating_point() and not torch.isfinite(image).all():
        raise ValueError("The image holds NaN or infinite levels; they must be 0 to 255.")
