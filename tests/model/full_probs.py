"""A refiner's probs as one tensor, for the tests of what refiners have in common."""

import torch
from torch import Tensor

from model.refine.refiners import RefinerConfig, find_refiner


@torch.inference_mode()
def refine(name: str, probs: Tensor, image: Tensor, config: RefinerConfig | None = None) -> Tensor:
    """Probs (K, H, W), summing to 1 over K, of probs (K, h, w) and the RGB image (3, H, W)."""
    refined = image.new_zeros(len(probs), *image.shape[1:], dtype=torch.float32)
    for tile, classes, tile_probs in find_refiner(name).tiles(probs, image, config):
        refined[classes, tile.top : tile.bottom, tile.left : tile.right] = tile_probs
    return refined
