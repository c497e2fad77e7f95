"""Pixels drawn of one corrected image: what they look like, and what a person called them.

A bounded, random sample, more of rare labels than their area; no image can be made of it.
Shapes: H, W pixels, S samples of which the first T have a token, F features, E channels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.pixel_features import N_FEATURES, pixel_features, working_image

BACKGROUND = -1
UNDECIDED = -2  # in a map of owners alone
MAX_SAMPLES = 440
# The judge compares the experts at these alone, since tokens are large: 8 bits a channel.
MAX_TOKENS = 80
MAX_TOKEN_BYTES = 47_000  # but MIN_TOKENS at least
MIN_TOKENS = 40
BACKGROUND_SHARE = 2  # samples of the background for each one of a label: it is many things
TOKEN_STEPS = 127
# In a unit of CIELAB: OpenCV's sums differ in the last digits from call to call, and the same image
# must give the same lesson.
FEATURE_STEPS = 64

DTYPES = {
    "features": torch.float16,
    "sample_owners": torch.int16,
    "sample_masses": torch.float32,
    "tokens": torch.int8,
    "token_masses": torch.float32,
}


@dataclass(frozen=True, eq=False)
class PixelSamples:
    """The names of the fields are part of the stored format."""

    features: Tensor  # (S, F) float16
    sample_owners: Tensor  # (S,) int16, index into the lesson's labels, or BACKGROUND
    sample_masses: (
        Tensor  # (S,) float32, share of the image the sample stands for, times its weight
    )
    tokens: Tensor  # (T, E) int8, of any length: only the direction counts
    token_masses: Tensor  # (T,) float32, the share each of these stands for among themselves

    def unit_tokens(self) -> Tensor:
        """(T, E) float32 of unit length."""
        return F.normalize(self.tokens.float(), dim=1)

    def tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in DTYPES}

    @staticmethod
    def of_tensors(tensors: Mapping[str, Any], n_labels: int) -> "PixelSamples":
        """Raises KeyError or ValueError unless the tensors fit together."""
        samples = PixelSamples(**{name: tensors[name] for name in DTYPES})
        samples.check(n_labels)
        return samples

    def check(self, n_labels: int) -> None:
        """Raise ValueError unless the parts fit together and name no other label."""
        count, n_tokens = len(self.features), len(self.tokens)
        shapes = {
            "features": (count, N_FEATURES),
            "sample_owners": (count,),
            "sample_masses": (count,),
            "tokens": (n_tokens, *self.tokens.shape[1:2]),
            "token_masses": (n_tokens,),
        }
        for name, shape in shapes.items():
            tensor = getattr(self, name)
            if tensor.dtype != DTYPES[name] or tuple(tensor.shape) != shape:
                raise ValueError(f"{name} is {tensor.dtype} of {tuple(tensor.shape)}")
        if self.tokens.ndim != 2 or count > MAX_SAMPLES or n_tokens > min(count, MAX_TOKENS):
            raise ValueError(f"{count} samples with {n_tokens} tokens")
        for name in ("features", "sample_masses", "token_masses"):
            if not torch.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} holds numbers that are not finite")
        if (self.sample_masses < 0).any() or (self.token_masses < 0).any():
            raise ValueError("a mass is negative")
        owners = self.sample_owners
        if (owners < BACKGROUND).any() or (owners >= n_labels).any():
            raise ValueError("a sample's owner is no index into the labels")


def draw_samples(
    image: NDArray[np.uint8],
    patch_tokens: Tensor,
    masks: Sequence[NDArray[np.bool_]],
    weights: Sequence[float],
    undecided: NDArray[np.bool_] | None = None,
) -> PixelSamples:
    """Samples of an RGB image (H', W', 3) with tokens (E, h, w), a mask (H', W') for each label.

    `weights`: how far each label's mask is believed, 0..1. Pixels under no mask are the background.
    Where masks overlap, the smallest has the pixel. `undecided` (H', W'): pixels of which none is
    drawn unless it is under a mask. The draw is the same each time.
    """
    working = working_image(image)
    size_hw = (working.shape[0], working.shape[1])
    owners = owner_map(masks, size_hw, undecided).ravel()
    drawn = draw(owners, max_tokens(patch_tokens.shape[0]))
    features = pixel_features(working).reshape(-1, N_FEATURES)[drawn.index]
    belief = np.array([*weights, 1.0])[owners[drawn.index]]  # the background's is the last
    n_tokens = len(drawn.token_masses)
    tokens = tokens_at(patch_tokens, drawn.index[:n_tokens], size_hw)
    return PixelSamples(
        rounded(features),
        torch.from_numpy(owners[drawn.index]),
        torch.from_numpy(drawn.masses * belief).float(),
        directions(tokens),
        torch.from_numpy(drawn.token_masses * belief[:n_tokens]).float(),
    )


def directions(vectors: Tensor) -> Tensor:
    """Vectors (N, E) as int8, the largest number of each TOKEN_STEPS: their lengths are lost."""
    steps = TOKEN_STEPS / vectors.abs().amax(dim=1, keepdim=True).clamp_min(1e-9)
    return (vectors * steps).round().to(torch.int8).contiguous()


def rounded(features: NDArray[np.float32]) -> Tensor:
    """Features (S, F) float16 in FEATURE_STEPS, without a negative zero."""
    return torch.from_numpy(np.round(features * FEATURE_STEPS) / FEATURE_STEPS + 0.0).half()


def max_tokens(channels: int) -> int:
    return max(MIN_TOKENS, min(MAX_TOKENS, MAX_TOKEN_BYTES // channels))


def owner_map(
    masks: Sequence[NDArray[np.bool_]],
    size_hw: tuple[int, int],
    undecided: NDArray[np.bool_] | None = None,
) -> NDArray[np.int16]:
    """The index of the mask that each pixel (H, W) is under, read from masks (H', W');
    BACKGROUND or UNDECIDED under none."""
    owners = np.full(size_hw, BACKGROUND, dtype=np.int16)
    largest_first = sorted(range(len(masks)), key=lambda one: -np.count_nonzero(masks[one]))
    layers = [(number, masks[number]) for number in largest_first]
    if undecided is not None:
        layers.insert(0, (UNDECIDED, undecided))
    for number, layer in layers:
        mask = np.ascontiguousarray(layer).view(np.uint8)
        small = cv2.resize(mask, size_hw[::-1], interpolation=cv2.INTER_NEAREST)
        owners[small > 0] = number
    return owners


@dataclass(frozen=True)
class Drawn:
    index: NDArray[np.int64]  # (S,) of pixels; those with a token come first
    masses: NDArray[np.float64]  # (S,), summing to 1 less the undecided share
    token_masses: NDArray[np.float64]  # (T,), likewise


def draw(owners: NDArray[np.int16], n_tokens: int) -> Drawn:
    """About MAX_SAMPLES of the pixels (N,), as many of each owner but for the background."""
    rng = np.random.default_rng(0)
    present, counts = np.unique(owners[owners != UNDECIDED], return_counts=True)
    shares = np.where(present == BACKGROUND, BACKGROUND_SHARE, 1)
    shares = shares / shares.sum()
    parts: list[tuple[NDArray[np.int64], int, float]] = []  # pixels, with a token, area
    for owner, count, share in zip(present, counts, shares, strict=True):
        n_drawn = min(count, max(1, int(MAX_SAMPLES * share)))
        pixels = rng.choice(np.flatnonzero(owners == owner), n_drawn, replace=False)
        with_token = min(n_drawn, max(1, int(n_tokens * share)))
        parts.append((pixels, with_token, count / len(owners)))
    # Of more owners than tokens the last ones get none.
    first = [pixels[:n] for pixels, n, _ in parts]
    later = [pixels[n:] for pixels, n, _ in parts]
    masses = [
        np.full(len(some), area / len(pixels))
        for group in (first, later)
        for some, (pixels, _, area) in zip(group, parts, strict=True)
    ]
    token_masses = [np.full(n, area / n) for _, n, area in parts]
    return Drawn(
        np.concatenate([np.zeros(0, np.int64), *first, *later])[:MAX_SAMPLES],
        np.concatenate([np.zeros(0), *masses])[:MAX_SAMPLES],
        np.concatenate([np.zeros(0), *token_masses])[:n_tokens],
    )


def tokens_at(patch_tokens: Tensor, index: NDArray[np.int64], size_hw: tuple[int, int]) -> Tensor:
    """Tokens (T, E) of unit length at pixels (T,), interpolated as predictions are."""
    rows, columns = np.divmod(index, size_hw[1])
    place = np.stack([(2 * columns + 1) / size_hw[1] - 1, (2 * rows + 1) / size_hw[0] - 1], axis=1)
    grid = torch.from_numpy(place).float()[None, None]
    sampled = F.grid_sample(
        patch_tokens[None].float(), grid, padding_mode="border", align_corners=False
    )
    return F.normalize(sampled[0, :, 0].T, dim=1)
