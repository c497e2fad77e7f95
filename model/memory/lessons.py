"""Lessons are made here: what one annotation teaches, small enough to store for each annotation.

Shapes: H, W pixels, h, w patches, E channels of the tokens, M keys.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.errors import ModelError
from model.memory.lesson import MAX_KEYS, Lesson, TaughtMask
from model.memory.pixel_samples import (
    BACKGROUND,
    UNDECIDED,
    directions,
    draw_samples,
    owner_map,
)
from model.refine.kept_masks import WORKING_PIXELS, kept_masks
from model.refine.tiles import working_size

LABEL_KEYS = 12  # of the patches of one label that were predicted rightly, and as many wrongly
BACKGROUND_KEYS = 32  # it is many things
# Of a lesson, 8 bits a channel; but MIN_KEYS at least. The starter's stay below 150 kB in all.
MAX_KEY_BYTES = 62_000
MIN_KEYS = 48
KMEANS_STEPS = 4


def make_lesson(
    space: str,
    tokens: Tensor,
    image: NDArray[np.uint8],
    taught: Sequence[TaughtMask],
    *,
    middle_channels: int = 0,
) -> Lesson:
    """The lesson of one RGB image (H, W, 3) with tokens (E, h, w); without a mask all is
    background. The last `middle_channels`, D, are the tower's middle block.

    Raises ModelError for masks of another size.
    """
    for one in taught:
        _check_mask(one, (image.shape[0], image.shape[1]))
    labels = tuple(sorted({one.label for one in taught if one.weight > 0 and one.mask.any()}))
    points = F.normalize(tokens.float().flatten(1).T, dim=1)  # (h * w, E)
    groups = list(_groups(taught, labels, (tokens.shape[1], tokens.shape[2])))
    max_keys = most_keys(len(tokens))
    share = min(1.0, max_keys / max(1, sum(group.max_keys for group in groups)))
    keys, masses, owners, was_wrong = [], [], [], []
    for group in sorted(groups, key=lambda group: -group.weights.sum())[:max_keys]:
        n_keys = max(1, int(group.max_keys * share))
        means, sums = weighted_kmeans(points, group.weights, n_keys)
        keys.append(means)
        masses.append(sums / len(points))
        owners += [group.owner] * len(means)
        was_wrong += [group.was_wrong] * len(means)
    return Lesson(
        space,
        labels,
        directions(torch.cat([points[:0], *keys])[:max_keys]),
        torch.tensor(owners[:max_keys], dtype=torch.int16),
        torch.cat([points[:0, 0], *masses])[:max_keys],
        torch.tensor(was_wrong[:max_keys], dtype=torch.bool),
        draw_samples(
            image,
            tokens,
            *_mask_by_label(taught, labels),
            _union(one.mask for one in taught if one.weight == 0),
        ),
        _kept_masks(taught, image),
        middle_channels,
    )


def most_keys(channels: int) -> int:
    return max(MIN_KEYS, min(MAX_KEYS, MAX_KEY_BYTES // channels))


def _kept_masks(taught: Sequence[TaughtMask], image: NDArray[np.uint8]) -> dict[str, float]:
    """What refiners leave of the masks that a person drew. Coarse ones, such as rectangles, have
    other edges than the image."""
    drawn = [one for one in taught if one.weight == 1]
    masks, _ = _mask_by_label(drawn, tuple(sorted({one.label for one in drawn})))
    coarse = _union(one.mask for one in taught if one.weight < 1)
    size_hw = working_size((image.shape[0], image.shape[1]), WORKING_PIXELS)
    return kept_masks(owner_map(masks, size_hw, coarse), UNDECIDED, image)


def _union(masks: Iterable[NDArray[np.bool_]]) -> NDArray[np.bool_] | None:
    """(H, W); None of none."""
    found = list(masks)
    return np.any(found, axis=0) if found else None


def _mask_by_label(
    taught: Sequence[TaughtMask], labels: tuple[str, ...]
) -> tuple[list[NDArray[np.bool_]], list[float]]:
    """The union of each label's masks (H, W), and how far it is believed."""
    decided = [one for one in taught if one.weight > 0]
    by_label = {label: [one for one in decided if one.label == label] for label in labels}
    masks = [np.any([one.mask for one in same], axis=0) for same in by_label.values()]
    weights = [max(one.weight for one in same) for same in by_label.values()]
    return masks, weights


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
        if one.weight == 0:
            covered = torch.maximum(covered, coverage(one.mask, grid_hw))
        if one.predicted is not None:
            predicted = torch.maximum(predicted, coverage(one.predicted, grid_hw))
    for owner, label in enumerate(labels):
        share, weights, right = zeros.clone(), zeros.clone(), zeros.clone()
        for one in taught:
            if one.label != label or one.weight == 0:
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
