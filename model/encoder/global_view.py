"""The global view: one more pass over the whole image at a small size.

Windows show details without the scene, the global view the scene without details; the features of
both are added. A heuristic of ours: mIoU 0.264 with it, 0.253 without (benchmarks/README.md,
ladder).
"""

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor

from model.encoder.windows import WindowConfig
from model.features import DenseFeatures


def global_view_windows(config: WindowConfig) -> WindowConfig:
    """The windows of the global view: one, over the whole image at `global_view_px`."""
    return replace(config, short_side_px=config.global_view_px, window_px=0, global_view_px=0)


def with_global_view(windows: DenseFeatures, view: DenseFeatures, share: float) -> DenseFeatures:
    """The features of an image's windows, with what the global view of it shows."""
    middle = blend_global_view(windows.middle_tokens.float(), view.middle_tokens.float(), share)
    return replace(
        windows,
        patch_tokens=blend_global_view(windows.patch_tokens, view.patch_tokens, share),
        middle_tokens=middle.half(),
    )


def blend_global_view(patch_tokens: Tensor, view_tokens: Tensor, share: float) -> Tensor:
    """Unit features (E, h, w): normalized (windows + share * global view).

    Both, (E, h, w) of the windows and (E, h', w') of the view, are normalized first; the view is
    resized bilinearly to the windows' grid.
    """
    size_hw = (patch_tokens.shape[1], patch_tokens.shape[2])
    view = F.interpolate(
        F.normalize(view_tokens, dim=0)[None], size=size_hw, mode="bilinear", align_corners=False
    )[0]
    return F.normalize(F.normalize(patch_tokens, dim=0) + share * view, dim=0)
