"""Dense CRF: pull class probabilities onto the edges of the image.

Mean-field inference after Krähenbühl & Koltun (2011), with their two kernels: pixels of like
colour agree (appearance), and close pixels agree (smoothness). Both are exact over all pairs.

Letters: B images, K classes, h x w pixels, N = h * w.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.refine.gaussian_attention import GaussianKernel
from model.refine.guided import fit
from model.refine.tiles import BilinearSampler, Sampler, resize, sample, working_size

NORMALIZATIONS = ("symmetric", "row")
SMALLEST_PROB = 1e-6  # a unary never says "impossible"
FIT_RADIUS = 3  # pixels of the last update, half the window of the fit that brings it to full size
NEVER = -1e4  # log-prob of a class that only another image of the batch has


@dataclass(frozen=True)
class CrfConfig:
    iterations: int = 5
    appearance_weight: float = 5.0
    appearance_xy_std: float = 0.08  # of the image's mean side, sqrt(H * W)
    appearance_rgb_std: float = 13.0  # 8-bit levels
    smoothness_weight: float = 1.0
    smoothness_xy_std: float = 0.006  # of the image's mean side
    normalization: str = "symmetric"  # or "row": what a pixel's sum over the others is divided by
    keeps_self: bool = True  # a pixel counts as its own neighbour: in the authors' code, not paper
    working_pixels: int | None = None  # N of the mean field; None: what the device affords
    middle_pixels: int | None = None  # N of the last update; None: what the device affords

    def __post_init__(self) -> None:
        if self.normalization not in NORMALIZATIONS:
            raise ValueError(
                f"normalization is one of {', '.join(NORMALIZATIONS)}; got {self.normalization!r}."
            )


@dataclass(frozen=True)
class Affordable:
    """What takes 0.1 to 0.2 s an image on one CPU core; on a GPU a guess at 30 ms."""

    working_pixels: int
    middle_pixels: int
    dtype: torch.dtype  # of the attention: half precision is fast on GPUs alone


AFFORDABLE = {
    "cpu": Affordable(56 * 56, 80 * 80, torch.float32),
    "cuda": Affordable(160 * 160, 640 * 640, torch.float16),
}


def crf_samplers(
    probs: Sequence[Tensor], images: Sequence[Tensor], config: CrfConfig
) -> list[Sampler]:
    """Refine probs (K, h, w) with RGB images (3, H, W), levels 0 to 255; like sizes in one go."""
    samplers: dict[int, Sampler] = {}
    sizes = [(image.shape[1], image.shape[2]) for image in images]
    for size_hw in dict.fromkeys(sizes):
        alike = [index for index, other in enumerate(sizes) if other == size_hw]
        refined, rgb = refine_alike([probs[i] for i in alike], [images[i] for i in alike], config)
        for row, index in enumerate(alike):
            own = refined[row, : len(probs[index])]
            if tuple(rgb.shape[2:]) == size_hw:
                samplers[index] = BilinearSampler(own, size_hw)
            else:
                samplers[index] = fit(own, rgb[row], images[index], radius=FIT_RADIUS, rgb_std=10.0)
    return [samplers[index] for index in range(len(images))]


def refine_alike(
    probs: Sequence[Tensor], images: Sequence[Tensor], config: CrfConfig
) -> tuple[Tensor, Tensor]:
    """Probs (B, K, h, w) and colours (B, 3, h, w) at the middle size, for images of one size.

    All pairs are affordable at a small size. What the mean field finds there is brought up by one
    update at a middle size, whose pixels look at all the small ones.
    """
    affordable = AFFORDABLE.get(images[0].device.type, AFFORDABLE["cpu"])
    image_hw = (images[0].shape[1], images[0].shape[2])
    working_hw = working_size(image_hw, config.working_pixels or affordable.working_pixels)
    middle_hw = working_size(image_hw, config.middle_pixels or affordable.middle_pixels)
    rgb = torch.stack([resize(image, middle_hw) for image in images])
    # Sampled: means of means are more alike than pixels are. Of the middle size, not of the image,
    # whose thin lines a sample would miss.
    working_rgb = torch.stack([sample(own, working_hw) for own in rgb])
    field = mean_field(
        stacked_log_probs(probs, working_hw),
        working_rgb,
        config,
        image_hw=image_hw,
        dtype=affordable.dtype,
    )
    if middle_hw == working_hw:
        return field.probs, rgb
    unary = stacked_log_probs(probs, middle_hw)
    return update_at(unary, rgb, field, config, image_hw=image_hw, dtype=affordable.dtype), rgb


def stacked_log_probs(probs: Sequence[Tensor], size_hw: tuple[int, int]) -> Tensor:
    """Log-probs (B, K, h, w) of probs (K_b, ., .); K is the largest K_b, and the rest is -inf."""
    classes = max(len(own) for own in probs)
    logs = [resize(own, size_hw).clamp_min(SMALLEST_PROB).log() for own in probs]
    return torch.stack(
        [F.pad(own, (0, 0, 0, 0, 0, classes - len(own)), value=NEVER) for own in logs]
    )


@dataclass(frozen=True)
class MeanField:
    """What the mean field ended with, and what the update of other pixels needs of it."""

    probs: Tensor  # (B, K, h, w)
    smoothness: Tensor  # (B, K, h, w) the smoothness kernel's last message
    features: Tensor  # (B, N, 5)
    scale: Tensor  # (B, N, 1) of `normalization`


def mean_field(
    unary: Tensor,
    rgb: Tensor,
    config: CrfConfig,
    *,
    image_hw: tuple[int, int] | None = None,
    compatibility: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
) -> MeanField:
    """Mean field from log-probs (B, K, h, w) and colours (B, 3, h, w), levels 0 to 255.

    `image_hw` is the full size that the h x w pixels stand for. `compatibility` (K, K) says how
    much a neighbour of class l speaks for class k: the identity, if None, is the Potts model.
    `dtype` is the attention's.
    """
    size_hw = (rgb.shape[2], rgb.shape[3])
    features = pixel_features(rgb, config, image_hw or size_hw)
    exact = GaussianKernel.between(features, features)
    appearance_sums = exact.row_sums()  # (B, N, 1)
    scale = normalizing_scale(appearance_sums, config)
    appearance = GaussianKernel.between(features, features, dtype)
    rows, columns, smoothness_sums = smoothness_kernel(size_hw, image_hw or size_hw, config, rgb)
    smoothness_scale = normalizing_scale(smoothness_sums, config)  # (h, w)
    if compatibility is None:
        compatibility = torch.eye(unary.shape[1])
    compatibility = compatibility.to(unary)

    probs = unary.softmax(dim=1)
    # Messages grow by what each iteration changed: half precision rounds changes, not sums.
    mean = exact.mean(to_points(probs) * scale)
    for iteration in range(config.iterations):
        alike = to_maps(mean / scale, size_hw)
        smooth = rows @ (probs * smoothness_scale) @ columns / smoothness_scale
        if not config.keeps_self:
            alike = alike - probs / to_maps(appearance_sums, size_hw)
            smooth = smooth - probs / smoothness_sums
        smooth = torch.einsum("kl,blhw->bkhw", compatibility, smooth)
        alike = torch.einsum("kl,blhw->bkhw", compatibility, alike)
        message = config.appearance_weight * alike + config.smoothness_weight * smooth
        before, probs = probs, (unary + message).softmax(dim=1)
        if iteration < config.iterations - 1:
            mean = mean + appearance.mean(to_points(probs - before) * scale)
    return MeanField(probs, smooth, features, scale)


def update_at(
    unary: Tensor,
    rgb: Tensor,
    field: MeanField,
    config: CrfConfig,
    *,
    image_hw: tuple[int, int],
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """One mean-field update of other pixels of the same images, which look at all of the field's.

    Log-probs (B, K, H', W') and colours (B, 3, H', W') -> probs (B, K, H', W'), Potts model.
    """
    size_hw = (rgb.shape[2], rgb.shape[3])
    features = pixel_features(rgb, config, image_hw)
    appearance = GaussianKernel.between(features, field.features, dtype)
    mean, sums = appearance.mean_and_sums(to_points(field.probs) * field.scale)
    # A colour that the field never saw has a sum of almost 0: no message, the unary decides.
    alike = to_maps(mean / normalizing_scale(sums.clamp_min(1e-6), config), size_hw)
    smooth = F.interpolate(field.smoothness, size=size_hw, mode="bilinear")
    message = config.appearance_weight * alike + config.smoothness_weight * smooth
    return (unary + message).softmax(dim=1)


def pixel_features(rgb: Tensor, config: CrfConfig, image_hw: tuple[int, int]) -> Tensor:
    """Position and colour (B, N, 5) in units of the appearance kernel's stds."""
    height, width = rgb.shape[2:]
    mean_side_px = (image_hw[0] * image_hw[1]) ** 0.5
    y = (torch.arange(height).to(rgb) + 0.5) * (image_hw[0] / height / mean_side_px)
    x = (torch.arange(width).to(rgb) + 0.5) * (image_hw[1] / width / mean_side_px)
    position = torch.stack(torch.meshgrid(y, x, indexing="ij")) / config.appearance_xy_std
    position = position.expand(len(rgb), 2, height, width)
    return to_points(torch.cat([position, rgb / config.appearance_rgb_std], dim=1))


def smoothness_kernel(
    size_hw: tuple[int, int], image_hw: tuple[int, int], config: CrfConfig, like: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices (h, h) and (w, w): rows @ maps @ columns is the mean; and the row sums (h, w)."""
    mean_side_px = (image_hw[0] * image_hw[1]) ** 0.5
    matrices, sums = [], []
    for cells, side_px in zip(size_hw, image_hw, strict=True):
        std_cells = config.smoothness_xy_std * mean_side_px * cells / side_px
        i = torch.arange(cells).to(like) / std_cells
        kernel = torch.exp(-0.5 * (i[:, None] - i).square())
        sums.append(kernel.sum(dim=1))
        matrices.append(kernel / kernel.sum(dim=1, keepdim=True))
    return matrices[0], matrices[1].T, sums[0][:, None] * sums[1]


def normalizing_scale(sums: Tensor, config: CrfConfig) -> Tensor:
    """s such that mean(s_j q_j) / s_i is the normalised sum over the neighbours j of pixel i."""
    return sums.rsqrt() if config.normalization == "symmetric" else torch.ones_like(sums)


def to_points(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)  # (B, C, h, w) -> (B, N, C)


def to_maps(points: Tensor, size_hw: tuple[int, int]) -> Tensor:
    return points.transpose(1, 2).unflatten(2, size_hw)  # (B, N, C) -> (B, C, h, w)
