"""Other ways to a dense CRF, for benchmarks/crf.py alone: the reference, and a truncated kernel.

Both take log-probs (K, H, W) and an image (H, W, 3) uint8, and give probs (K, H, W).
"""

import importlib.util

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.refine.crf import CrfConfig

HAS_PYDENSECRF = importlib.util.find_spec("pydensecrf") is not None


def pydensecrf(unary: Tensor, image: NDArray[np.uint8], config: CrfConfig) -> Tensor:
    """Krähenbühl's own code (`pip install pydensecrf2`): a permutohedral lattice at full size."""
    import pydensecrf.densecrf as dcrf

    classes, height_px, width_px = unary.shape
    mean_side_px = (height_px * width_px) ** 0.5
    field = dcrf.DenseCRF2D(width_px, height_px, classes)
    field.setUnaryEnergy(np.ascontiguousarray(-unary.flatten(1).numpy()))
    field.addPairwiseGaussian(
        sxy=config.smoothness_xy_std * mean_side_px, compat=config.smoothness_weight
    )
    field.addPairwiseBilateral(
        sxy=config.appearance_xy_std * mean_side_px,
        srgb=config.appearance_rgb_std,
        rgbim=np.ascontiguousarray(image),
        compat=config.appearance_weight,
    )
    probs = np.array(field.inference(config.iterations))
    return torch.from_numpy(probs).view(classes, height_px, width_px)


def truncated(
    unary: Tensor, image: NDArray[np.uint8], config: CrfConfig, reach_px: int = 5
) -> Tensor:
    """The same kernels cut to (2 reach + 1)² pixels, as ConvCRF (2018) does: window by window."""
    mean_side_px = (unary.shape[1] * unary.shape[2]) ** 0.5
    rgb = torch.from_numpy(image).permute(2, 0, 1).float() / config.appearance_rgb_std
    steps = range(-reach_px, reach_px + 1)
    offsets = [(y, x) for y in steps for x in steps]
    weights: list[Tensor] = []  # of each neighbor, by kernel, each normalized over the window
    for std_px in (
        config.appearance_xy_std * mean_side_px,
        config.smoothness_xy_std * mean_side_px,
    ):
        of_color = not weights
        logs = []
        for (y, x), neighbor in zip(offsets, shifted(rgb, reach_px), strict=True):
            differences = (neighbor - rgb).square().sum(dim=0) if of_color else 0 * rgb[0]
            logs.append(-0.5 * (differences + (y * y + x * x) / std_px**2))
        weights.append(torch.stack(logs).softmax(dim=0))
    weight = config.appearance_weight * weights[0] + config.smoothness_weight * weights[1]
    probs = unary.softmax(dim=0)
    for _ in range(config.iterations):
        message = torch.zeros_like(probs)
        for neighbor, own in zip(shifted(probs, reach_px), weight, strict=True):
            message.addcmul_(neighbor, own)
        probs = (unary + message).softmax(dim=0)
    return probs


def shifted(maps: Tensor, reach_px: int) -> list[Tensor]:
    """Views of (C, H, W) moved by up to `reach_px` each way, the border repeated, row by row."""
    height_px, width_px = maps.shape[1:]
    padded = F.pad(maps[None], [reach_px] * 4, mode="replicate")[0]
    steps = range(2 * reach_px + 1)
    return [padded[:, y : y + height_px, x : x + width_px] for y in steps for x in steps]
