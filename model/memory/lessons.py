"""Lessons: what one annotation teaches, small enough to store for each annotation.

A lesson holds keys: means of similar patches that a person gave one label, and the share of the
image that each stands for. Patches under no mask are evidence of the background, owner -1.
Shapes: H, W pixels, h, w patches, E channels of the joint space, M keys.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from model.errors import ModelError

BACKGROUND = -1
MAX_KEYS = 96  # of a lesson: 72 kB with 384 channels
LABEL_KEYS = 12  # of the patches of one label that were predicted rightly, and as many wrongly
BACKGROUND_KEYS = 32  # it is many things
KMEANS_STEPS = 4
FORMAT = "firstpass lesson 1"


@dataclass(frozen=True, eq=False)
class TaughtMask:
    """A person's mask of one label, and what was predicted there."""

    label: str  # ClassPrompt.name
    mask: NDArray[np.bool_]  # (H, W) bool, image resolution
    predicted: NDArray[np.bool_] | None = None  # (H, W) bool, the predicted mask; None: unknown
    weight: float = 1.0  # 1 drawn by hand; less for weak evidence, such as a rectangle


@dataclass(frozen=True, eq=False)
class Lesson:
    """Stored as safetensors; the names of the fields are part of the format."""

    space: str  # Segmenter.space of its features
    labels: tuple[str, ...]  # that it teaches
    keys: Tensor  # (M, E) float16, means of unit features: shorter where they differ
    owners: Tensor  # (M,) int16, index into labels, or BACKGROUND
    masses: Tensor  # (M,) float32, share of the image the key stands for, times its weight
    was_wrong: Tensor  # (M,) bool, another class was predicted there

    @cached_property
    def digest(self) -> str:
        """32 hex digits of its content."""
        return hashlib.blake2b(self.to_bytes(), digest_size=16).hexdigest()

    def to_bytes(self) -> bytes:
        tensors = {name: getattr(self, name) for name in TENSORS}
        about = json.dumps({"format": FORMAT, "space": self.space, "labels": self.labels})
        return save(tensors, {"lesson": about})

    @staticmethod
    def from_bytes(data: bytes) -> "Lesson":
        """Raises ModelError, a ValueError, for bytes that are no lesson."""
        try:
            tensors, about = load(data), _metadata(data)
            if about["format"] != FORMAT:
                raise ValueError(f"its format is {about['format']!r}")
            space, labels = about["space"], tuple(about["labels"])
            lesson = Lesson(space, labels, **{name: tensors[name] for name in TENSORS})
            lesson.check()
        except (SafetensorError, KeyError, TypeError, ValueError, IndexError) as error:
            raise ModelError(f"These {len(data)} bytes are no lesson ({error}).") from error
        return lesson

    def check(self) -> None:
        """Raise ValueError unless the parts fit together."""
        if not isinstance(self.space, str) or not all(isinstance(n, str) for n in self.labels):
            raise ValueError("space and labels must be text")
        if self.keys.ndim != 2 or len(self.keys) > MAX_KEYS:
            raise ValueError(f"keys must be (up to {MAX_KEYS}, E), got {tuple(self.keys.shape)}")
        for name, dtype in TENSORS.items():
            tensor = getattr(self, name)
            if tensor.dtype != dtype or len(tensor) != len(self.keys):
                raise ValueError(f"{name} is {tensor.dtype} of {tuple(tensor.shape)}")
            if name != "keys" and tensor.ndim != 1:
                raise ValueError(f"{name} must have one dimension")
        if not (torch.isfinite(self.keys).all() and torch.isfinite(self.masses).all()):
            raise ValueError("it holds numbers that are not finite")
        if (self.masses < 0).any():
            raise ValueError("a mass is negative")
        if (self.owners < BACKGROUND).any() or (self.owners >= len(self.labels)).any():
            raise ValueError("an owner is no index into the labels")


TENSORS = {
    "keys": torch.float16,
    "owners": torch.int16,
    "masses": torch.float32,
    "was_wrong": torch.bool,
}


def make_lesson(
    space: str, patch_tokens: Tensor, taught: Sequence[TaughtMask], image_hw: tuple[int, int]
) -> Lesson:
    """The lesson of one image with features (E, h, w); without a mask all is background."""
    for one in taught:
        _check_mask(one, image_hw)
    labels = tuple(sorted({one.label for one in taught if one.mask.any()}))
    points = F.normalize(patch_tokens.float().flatten(1).T, dim=1)  # (h * w, E)
    groups = list(_groups(taught, labels, (patch_tokens.shape[1], patch_tokens.shape[2])))
    share = min(1.0, MAX_KEYS / max(1, sum(group.max_keys for group in groups)))
    keys, masses, owners, was_wrong = [], [], [], []
    for group in sorted(groups, key=lambda group: -group.weights.sum())[:MAX_KEYS]:
        n_keys = max(1, int(group.max_keys * share))
        means, sums = weighted_kmeans(points, group.weights, n_keys)
        keys.append(means)
        masses.append(sums / len(points))
        owners += [group.owner] * len(means)
        was_wrong += [group.was_wrong] * len(means)
    return Lesson(
        space,
        labels,
        torch.cat([points[:0], *keys])[:MAX_KEYS].half(),
        torch.tensor(owners[:MAX_KEYS], dtype=torch.int16),
        torch.cat([points[:0, 0], *masses])[:MAX_KEYS],
        torch.tensor(was_wrong[:MAX_KEYS], dtype=torch.bool),
    )


@dataclass(frozen=True)
class Group:
    """Patches of one owner that were all predicted rightly, or all wrongly."""

    owner: int
    was_wrong: bool
    weights: Tensor  # (h * w,), confidence that a patch belongs to it

    @property
    def max_keys(self) -> int:
        return BACKGROUND_KEYS if self.owner == BACKGROUND else LABEL_KEYS


def _groups(
    taught: Sequence[TaughtMask], labels: tuple[str, ...], grid_hw: tuple[int, int]
) -> Iterator[Group]:
    """Patches by label, and by whether that label was predicted there."""
    zeros = torch.zeros(grid_hw[0] * grid_hw[1])
    covered, predicted = zeros.clone(), zeros.clone()
    known = any(one.predicted is not None for one in taught)
    for one in taught:
        if one.predicted is not None:
            predicted = torch.maximum(predicted, coverage(one.predicted, grid_hw))
    for owner, label in enumerate(labels):
        share, weights, right = zeros.clone(), zeros.clone(), zeros.clone()
        for one in taught:
            if one.label != label:
                continue
            own = coverage(one.mask, grid_hw)
            share = torch.maximum(share, own)
            weights = torch.maximum(weights, own * one.weight)
            if one.predicted is not None:
                right = torch.maximum(right, coverage(one.predicted, grid_hw))
        covered = torch.maximum(covered, share)
        # A thing smaller than a patch is taught by the patches that show most of it.
        inside = share >= min(0.5, 0.8 * float(share.max()))
        weights = weights * share * inside
        yield from _by_prediction(owner, weights, right < 0.5, known=known)
    outside = (1 - covered) * (covered < 0.1)
    yield from _by_prediction(BACKGROUND, outside, predicted >= 0.5, known=known)


def _by_prediction(
    owner: int, weights: Tensor, was_wrong: Tensor, *, known: bool
) -> Iterator[Group]:
    parts = ((True, was_wrong), (False, ~was_wrong)) if known else ((False, weights > 0),)
    for wrong, part in parts:
        if (weights * part).any():
            yield Group(owner, wrong, weights * part)


def coverage(mask: NDArray[np.bool_], grid_hw: tuple[int, int]) -> Tensor:
    """The share (h * w,), 0..1, of each patch that the mask (H, W) covers."""
    pixels = torch.from_numpy(np.ascontiguousarray(mask, dtype=bool)).float()
    return F.interpolate(pixels[None, None], size=grid_hw, mode="area").flatten()


def weighted_kmeans(points: Tensor, weights: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Means (m, E) of up to `count` clusters of unit points (N, E), and their weights' sums (m,).

    Spherical k-means from deterministic starts: the point nearest the mean, then each time the one
    of the largest weight times distance from those before.
    """
    points, weights = points[weights > 0], weights[weights > 0]
    if len(points) <= count:
        return points, weights
    center = (points * weights[:, None]).sum(dim=0, keepdim=True) / weights.sum()
    starts = [int((points @ center[0]).argmax())]
    nearest = points @ points[starts[0]]
    for _ in range(count - 1):
        starts.append(int(((1 - nearest) * weights).argmax()))
        nearest = torch.maximum(nearest, points @ points[starts[-1]])
    means = points[starts]
    for _ in range(KMEANS_STEPS):
        nearest_mean = (points @ F.normalize(means, dim=1).T).argmax(dim=1)
        sums = torch.zeros(count).index_add(0, nearest_mean, weights)
        totals = torch.zeros_like(means).index_add(0, nearest_mean, points * weights[:, None])
        means = torch.where(sums[:, None] > 0, totals / sums[:, None].clamp_min(1e-9), means)
    return means[sums > 0], sums[sums > 0]


def _check_mask(one: TaughtMask, image_hw: tuple[int, int]) -> None:
    for mask in (one.mask, one.predicted):
        if mask is not None and mask.shape != image_hw:
            raise ModelError(
                f"A mask of '{one.label}' is {mask.shape[0]} x {mask.shape[1]} pixels, the image "
                f"{image_hw[0]} x {image_hw[1]}: give masks at the image's own size."
            )


def _metadata(data: bytes) -> Mapping[str, str]:
    """The header's own text; `load` has checked the bytes before."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata: Mapping[str, str] = json.loads(header["__metadata__"]["lesson"])
    return metadata
