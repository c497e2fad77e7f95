"""Edge refiners by name: class probabilities of the patch grid to labels at full resolution.

All have one signature, `refine_to_labels(name, probs, image)`, so a project chooses by name:
"none" (bilinear), "guided" (guided filter), "guided_fine" (the same, of a small window), "pamr"
(pixel-adaptive refinement), "crf" (dense CRF).
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from model.errors import unknown_name
from model.refine.crf import CrfConfig, crf_sampler
from model.refine.guided import GuidedConfig, guided_sampler
from model.refine.pamr import PamrConfig, pamr_sampler
from model.refine.tiles import (
    BilinearSampler,
    Sampler,
    Tile,
    classes_above,
    classes_in,
    tiles_of,
)

# A class that stays below it everywhere wins no pixel by any refiner.
ABSENT_PROB = 0.01

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BilinearConfig:
    """The refiner "none" has no settings."""


RefinerConfig = BilinearConfig | GuidedConfig | PamrConfig | CrfConfig


def bilinear_sampler(probs: Tensor, image: Tensor, _: BilinearConfig) -> BilinearSampler:
    return BilinearSampler(probs, (image.shape[1], image.shape[2]))


@dataclass(frozen=True)
class Refiner:
    """A sampler of refined probs, and the settings it runs with unless others are given."""

    sampler: Callable[[Tensor, Tensor, Any], Sampler]
    default_config: RefinerConfig

    def tiles(
        self, probs: Tensor, image: Tensor, config: RefinerConfig | None = None
    ) -> Iterator[tuple[Tile, Tensor, Tensor]]:
        """Tiles of the image, the classes (k,) near each, and their probs (k, height, width).

        From probs (K, h, w) of any size and the RGB image (3, H, W), levels 0 to 255. The probs of
        a tile sum to 1 over its classes; all other classes are absent from it.
        """
        config = self.default_config if config is None else config
        if type(config) is not type(self.default_config):
            raise ValueError(
                f"This refiner's config is a {type(self.default_config).__name__}; "
                f"got a {type(config).__name__}."
            )
        check_inputs(probs, image)
        present = classes_above(probs, ABSENT_PROB)
        sampler = self.sampler(probs[present].float(), image, config)
        image_hw = (image.shape[1], image.shape[2])
        for tile in tiles_of(*image_hw):
            classes = classes_in(tile, sampler.coarse, image_hw, ABSENT_PROB)
            yield tile, present[classes], sampler(tile, classes)


# For probs that follow edges already: about 3 px of a working size at which lines of 1 px stay.
FINE = GuidedConfig(radius=0.005, working_pixels=640 * 640)

REFINERS: dict[str, Refiner] = {
    "none": Refiner(bilinear_sampler, BilinearConfig()),
    "guided": Refiner(guided_sampler, GuidedConfig()),
    "guided_fine": Refiner(guided_sampler, FINE),
    "pamr": Refiner(pamr_sampler, PamrConfig()),
    "crf": Refiner(crf_sampler, CrfConfig()),
}


@torch.inference_mode()
def refine_to_labels(
    name: str, probs: Tensor, image: Tensor, config: RefinerConfig | None = None
) -> tuple[Tensor, Tensor]:
    """Each pixel's most probable class, (H, W) int16, and its prob, (H, W) float32.

    From probs (K, h, w) of any size and the RGB image (3, H, W), levels 0 to 255.
    """
    refiner = find_refiner(name)
    label_map = image.new_zeros(image.shape[1:], dtype=torch.int16)
    best_prob = image.new_zeros(image.shape[1:], dtype=torch.float32)
    for tile, classes, tile_probs in refiner.tiles(probs, image, config):
        box = (slice(tile.top, tile.bottom), slice(tile.left, tile.right))
        best_prob[box], best = tile_probs.max(dim=0)
        label_map[box] = classes[best].to(torch.int16)
    return label_map, best_prob


def refine_on_device(
    name: str, probs: Tensor, image: Tensor, device: torch.device
) -> tuple[Tensor, Tensor]:
    """As `refine_to_labels`, of what is on the CPU, on a device; on the CPU if it has no room.

    A large image at full resolution may be more than a GPU has left beside the model.
    """
    try:
        return refine_to_labels(name, probs.to(device), image.to(device))
    except torch.OutOfMemoryError:
        log.warning(
            "the memory of %s is full: edges of an image of %d x %d pixels are refined on the CPU",
            device,
            image.shape[2],
            image.shape[1],
        )
    return refine_to_labels(name, probs, image)


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
