"""Dense features of one image: what the encoder computes, and scoring and memory read."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, eq=False)
class DenseFeatures:
    """One image in the joint space of image and text, E channels, float32 on the CPU.

    Patch tokens have unit length within a window and are then averaged over the windows that
    overlap, so theirs is at most 1; with a global view they are normalized again.
    """

    patch_tokens: Tensor  # (E, h, w), over the resized image
    cls_token: Tensor  # (E,), unit length: mean of the windows' class tokens
    image_hw: tuple[int, int]  # of the original image, pixels
    # (D, h, w) float16 of the tower's middle block, length as of the patch tokens: textures and
    # parts, which lessons are made of, too.
    middle_tokens: Tensor

    def tokens_like(self, maps: Tensor) -> Tensor:
        """The patch tokens (E, h', w') at the grid of maps (C, h', w'), interpolated bilinearly.

        At their own grid they are as they are; propagated logits have a finer one.
        """
        return _at_grid_of(maps, self.patch_tokens)

    def lesson_tokens_like(self, maps: Tensor) -> Tensor:
        """What lessons compare, (E + D, h', w') float32 at the grid of maps (C, h', w'): patch and
        middle tokens, each of unit length."""
        parts = (self.patch_tokens.float(), self.middle_tokens.float())
        return torch.cat([F.normalize(_at_grid_of(maps, part), dim=0) for part in parts])


def _at_grid_of(maps: Tensor, tokens: Tensor) -> Tensor:
    if maps.shape[1:] == tokens.shape[1:]:
        return tokens
    return F.interpolate(tokens[None], size=(maps.shape[1], maps.shape[2]), mode="bilinear")[0]
