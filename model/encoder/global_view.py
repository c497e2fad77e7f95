"""A glance: the whole image seen small, so that what a window sees is read in its light.

Windows see details and lose the scene; the glance sees the scene and no details. It is one more
pass over a few patches, whose features join those of the windows.
"""

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor

from model.methods import MethodConfig


def glance_method(method: MethodConfig) -> MethodConfig:
    """The same method, once over the whole image at `glance_px`."""
    return replace(method, short_side_px=method.glance_px, window_px=0, glance_px=0)


def in_light_of(patch_tokens: Tensor, glance_tokens: Tensor, share: float) -> Tensor:
    """Unit features (E, h, w) of windows, turned towards those of the glance (E, h', w').

    `share` is how much a unit vector of the glance counts beside one of the windows.
    """
    size_hw = (patch_tokens.shape[1], patch_tokens.shape[2])
    glance = F.interpolate(
        F.normalize(glance_tokens, dim=0)[None], size=size_hw, mode="bilinear", align_corners=False
    )[0]
    return F.normalize(F.normalize(patch_tokens, dim=0) + share * glance, dim=0)
