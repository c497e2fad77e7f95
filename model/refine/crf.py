"""Fully connected CRF: class probabilities that follow the edges of the image.

Mean-field inference of Krähenbühl and Koltun (2011) with their two kernels: appearance (pixels that
are near in position and color get the same class) and smoothness (pixels that are near). Both are
summed over all pairs of pixels, exactly. The mean field is found at a small working size; one more
update brings it to an intermediate size, and a guided filter to full size.

Letters: K classes, h x w pixels, N = h * w.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.refine.gaussian_attention import GaussianKernel
from model.refine.guided import fit_guided_filter
from model.refine.tiles import BilinearSampler, Sampler, resize, sample, working_size

MIN_PROB = 1e-6  # of a unary, whose logarithm must be finite
# Half the window of the guided filter that brings the last update to full size, in pixels of that
# update: 3 is 0.4 to 0.9 points of mIoU above 1 (benchmarks/README.md, "Refiners").
FILTER_RADIUS_PX = 3
FILTER_RGB_STD = 10.0  # 8-bit levels


@dataclass(frozen=True)
class CrfConfig:
    """Weights and stds were chosen by benchmarks.crf_sweep (benchmarks/README.md, "Refiners")."""

    iterations: int = 5
    appearance_weight: float = 5.0
    appearance_xy_std: float = 0.08  # of the image's mean side, sqrt(H * W)
    appearance_rgb_std: float = 13.0  # 8-bit levels
    smoothness_weight: float = 1.0
    smoothness_xy_std: float = 0.006  # of the image's mean side
    working_pixels: int | None = None  # N of the mean field; None: by the device, AFFORDABLE
    intermediate_pixels: int | None = None  # N of the last update; None: by the device


@dataclass(frozen=True)
class Affordable:
    """Sizes and number type that take 0.1 to 0.2 s an image."""

    working_pixels: int
    intermediate_pixels: int
    dtype: torch.dtype  # of the attention: half precision is fast on GPUs alone


AFFORDABLE = {
    "cpu": Affordable(56 * 56, 80 * 80, torch.float32),  # measured on one core: benchmarks.crf
    "cuda": Affordable(160 * 160, 640 * 640, torch.float16),  # estimated, 30 ms on an H200
}


def crf_sampler(probs: Tensor, image: Tensor, config: CrfConfig) -> Sampler:
    """Refine probs (K, h, w) with the RGB image (3, H, W), levels 0 to 255."""
    refined, rgb = refine_at_intermediate_size(probs, image, config)
    image_hw = (image.shape[1], image.shape[2])
    if tuple(rgb.shape[1:]) == image_hw:
        return BilinearSampler(refined, image_hw)
    return fit_guided_filter(
        refined, rgb, image, radius_px=FILTER_RADIUS_PX, rgb_std=FILTER_RGB_STD
    )


def refine_at_intermediate_size(
    probs: Tensor, image: Tensor, config: CrfConfig
) -> tuple[Tensor, Tensor]:
    """Refined probs (K, h, w) and the colors (3, h, w) of the intermediate size.

    The mean field sums over all pairs of a small size; one update at the intermediate size, whose
    pixels attend to all of the small ones, brings its result there.
    """
    affordable = AFFORDABLE.get(image.device.type, AFFORDABLE["cpu"])
    image_hw = (image.shape[1], image.shape[2])
    working_hw = working_size(image_hw, config.working_pixels or affordable.working_pixels)
    intermediate_hw = working_size(
        image_hw, config.intermediate_pixels or affordable.intermediate_pixels
    )
    rgb = resize(image, intermediate_hw)
    # Sampled, since averaged colors are more similar than those of pixels; and of the intermediate
    # size, since a sample of the image itself would miss its thin lines.
    field = mean_field(
        log_probs(probs, working_hw),
        sample(rgb, working_hw),
        config,
        image_hw=image_hw,
        dtype=affordable.dtype,
    )
    if intermediate_hw == working_hw:
        return field.probs, rgb
    unary = log_probs(probs, intermediate_hw)
    updated = update_at(unary, rgb, field, config, image_hw=image_hw, dtype=affordable.dtype)
    return updated, rgb


def log_probs(probs: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Log-probs (K, h, w) of probs (K, ., .) resized to h x w."""
    return resize(probs, size_hw).clamp_min(MIN_PROB).log()


@dataclass(frozen=True)
class MeanField:
    """The mean field's result, and what the update of other pixels needs of it."""

    probs: Tensor  # (K, h, w)
    smoothness: Tensor  # (K, h, w) the smoothness kernel's last message
    features: Tensor  # (N, 5)
    scale: Tensor  # (N, 1) one over the root of the appearance kernel's row sums


def mean_field(
    unary: Tensor,
    rgb: Tensor,
    config: CrfConfig,
    *,
    image_hw: tuple[int, int] | None = None,
    dtype: torch.dtype = torch.float32,
) -> MeanField:
    """Mean field from log-probs (K, h, w) and colors (3, h, w), levels 0 to 255.

    Potts model; kernels are normalized symmetrically, by the roots of both pixels' row sums, and a
    pixel counts as its own neighbor, as in the authors' code. `image_hw` is the full size that the
    h x w pixels stand for, `dtype` the attention's.
    """
    size_hw = (rgb.shape[1], rgb.shape[2])
    features = pixel_features(rgb, config, image_hw or size_hw)
    exact = GaussianKernel.between(features, features)
    scale = exact.row_sums().rsqrt()  # (N, 1)
    kernel = GaussianKernel.between(features, features, dtype)
    rows, columns, sums = smoothness_kernel(size_hw, image_hw or size_hw, config, rgb)
    smoothness_scale = sums.rsqrt()  # (h, w)

    probs = unary.softmax(dim=0)
    # Messages are updated by what each iteration changed: half precision then rounds the changes,
    # not the sums.
    mean = exact.mean(to_points(probs) * scale)
    for iteration in range(config.iterations):
        appearance = to_maps(mean / scale, size_hw)
        smoothness = rows @ (probs * smoothness_scale) @ columns / smoothness_scale
        message = config.appearance_weight * appearance + config.smoothness_weight * smoothness
        before, probs = probs, (unary + message).softmax(dim=0)
        if iteration < config.iterations - 1:
            mean = mean + kernel.mean(to_points(probs - before) * scale)
    return MeanField(probs, smoothness, features, scale)


def update_at(
    unary: Tensor,
    rgb: Tensor,
    field: MeanField,
    config: CrfConfig,
    *,
    image_hw: tuple[int, int],
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """One mean-field update of other pixels of the same image, summed over all of the field's.

    Log-probs (K, H', W') and colors (3, H', W') -> probs (K, H', W').
    """
    size_hw = (rgb.shape[1], rgb.shape[2])
    features = pixel_features(rgb, config, image_hw)
    kernel = GaussianKernel.between(features, field.features, dtype)
    mean, sums = kernel.mean_and_sums(to_points(field.probs) * field.scale)
    # A color that the field does not have has a sum of almost 0: no message, the unary decides.
    appearance = to_maps(mean / sums.clamp_min(1e-6).rsqrt(), size_hw)
    smoothness = F.interpolate(field.smoothness[None], size=size_hw, mode="bilinear")[0]
    message = config.appearance_weight * appearance + config.smoothness_weight * smoothness
    return (unary + message).softmax(dim=0)


def pixel_features(rgb: Tensor, config: CrfConfig, image_hw: tuple[int, int]) -> Tensor:
    """Position and color (N, 5) in units of the appearance kernel's stds."""
    height, width = rgb.shape[1:]
    mean_side_px = (image_hw[0] * image_hw[1]) ** 0.5
    y = (torch.arange(height).to(rgb) + 0.5) * (image_hw[0] / height / mean_side_px)
    x = (torch.arange(width).to(rgb) + 0.5) * (image_hw[1] / width / mean_side_px)
    position = torch.stack(torch.meshgrid(y, x, indexing="ij")) / config.appearance_xy_std
    return to_points(torch.cat([position, rgb / config.appearance_rgb_std]))


def smoothness_kernel(
    size_hw: tuple[int, int], image_hw: tuple[int, int], config: CrfConfig, like: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices (h, h) and (w, w) such that rows @ maps @ columns is the mean; row sums (h, w)."""
    mean_side_px = (image_hw[0] * image_hw[1]) ** 0.5
    matrices, sums = [], []
    for cells, side_px in zip(size_hw, image_hw, strict=True):
        std_cells = config.smoothness_xy_std * mean_side_px * cells / side_px
        i = torch.arange(cells).to(like) / std_cells
        kernel = torch.exp(-0.5 * (i[:, None] - i).square())
        sums.append(kernel.sum(dim=1))
        matrices.append(kernel / kernel.sum(dim=1, keepdim=True))
    return matrices[0], matrices[1].T, sums[0][:, None] * sums[1]


def to_points(maps: Tensor) -> Tensor:
    return maps.flatten(1).T  # (C, h, w) -> (N, C)


def to_maps(points: Tensor, size_hw: tuple[int, int]) -> Tensor:
    maps: Tensor = points.T.unflatten(1, size_hw)  # (N, C) -> (C, h, w)
    return maps
