"""Dense features of one image: what the encoder computes, and scoring and memory read."""

from dataclasses import dataclass

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

    def tokens_like(self, maps: Tensor) -> Tensor:
        """The patch tokens (E, h', w') at the grid of maps (C, h', w'), interpolated bilinearly.

        At their own grid they are as they are; propagated logits have a finer one.
        """
        if maps.shape[1:] == self.patch_tokens.shape[1:]:
            return self.patch_tokens
        size_hw = (maps.shape[1], maps.shape[2])
        return F.interpolate(self.patch_tokens[None], size=size_hw, mode="bilinear")[0]
