"""Probs and images drawn by a fixed seed, for the refiners' tests."""

import torch
from torch import Tensor


def random_probs(classes: int, size_hw: tuple[int, int], seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(classes, *size_hw, generator=generator).softmax(dim=0)


def random_image(height_px: int, width_px: int) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return 255 * torch.rand(3, height_px, width_px, generator=generator)
