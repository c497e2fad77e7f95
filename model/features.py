"""Dense features of one image: what the encoder computes, and scoring and memory read."""

from dataclasses import dataclass

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
