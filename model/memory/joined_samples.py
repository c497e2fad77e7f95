"""The samples of many lessons in one table, at most so many.

Shapes: S samples, F features, L labels with the background last.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.memory.keys import owners_of, ranks_in_groups
from model.memory.lesson import Lesson
from model.pixel_features import N_FEATURES

MAX_SAMPLES = 20_000  # to train on
MAX_POINTS = 4096  # to judge by


@dataclass(frozen=True, eq=False)
class Samples:
    """To train the pixel expert."""

    features: Tensor  # (S, F) float32
    owners: Tensor  # (S,) int64: label, 0..L-1
    masses: Tensor  # (S,)
    lessons: Tensor  # (S,) int64: index of the lesson


@dataclass(frozen=True, eq=False)
class Points:
    """To judge the experts by: pixels of which the token is known, and mostly the appearance."""

    tokens: Tensor  # (S, E) unit length
    features: Tensor  # (S, F) float32
    has_features: Tensor  # (S,) bool; lessons of the first format have none
    owners: Tensor  # (S,) int64
    masses: Tensor  # (S,)
    lessons: Tensor  # (S,) int64


def join_samples(lessons: Sequence[Lesson], labels: tuple[str, ...], belief: Tensor) -> Samples:
    """The samples of the lessons; `belief` (G,) is how reliable each is, 0..1."""
    known = [(g, one.labels, one.pixels) for g, one in enumerate(lessons) if one.pixels is not None]
    features = [pixels.features for _, _, pixels in known]
    owners = [owners_of(names, pixels.sample_owners, labels) for _, names, pixels in known]
    masses = [pixels.sample_masses * belief[g] for g, _, pixels in known]
    index = [torch.full((len(pixels.features),), g) for g, _, pixels in known]
    none = torch.zeros(0)
    samples = Samples(
        torch.cat([torch.zeros(0, N_FEATURES), *features]).float(),
        torch.cat([none.long(), *owners]),
        torch.cat([none, *masses]),
        torch.cat([none.long(), *index]),
    )
    kept, scale = thinned(samples.owners, samples.lessons, len(labels) + 1, MAX_SAMPLES)
    return Samples(
        samples.features[kept],
        samples.owners[kept],
        samples.masses[kept] * scale,
        samples.lessons[kept],
    )


def join_points(lessons: Sequence[Lesson], labels: tuple[str, ...], belief: Tensor) -> Points:
    """The samples with a token; the keys of a lesson that has no samples."""
    parts = [_points_of(one, labels, g, float(belief[g])) for g, one in enumerate(lessons)]
    points = Points(*(torch.cat(column) for column in zip(*parts, strict=True)))
    kept, scale = thinned(points.owners, points.lessons, len(labels) + 1, MAX_POINTS)
    return Points(
        points.tokens[kept],
        points.features[kept],
        points.has_features[kept],
        points.owners[kept],
        points.masses[kept] * scale,
        points.lessons[kept],
    )


def _points_of(
    lesson: Lesson, labels: tuple[str, ...], number: int, belief: float
) -> tuple[Tensor, ...]:
    """The columns of Points for one lesson."""
    pixels = lesson.pixels
    if pixels is None:
        tokens, masses = F.normalize(lesson.keys.float(), dim=1), lesson.masses
        owners, features = lesson.owners, torch.zeros(len(tokens), N_FEATURES)
    else:
        tokens, masses = pixels.unit_tokens(), pixels.token_masses
        owners, features = pixels.sample_owners[: len(tokens)], pixels.features[: len(tokens)]
    return (
        tokens,
        features.float(),
        torch.full((len(tokens),), pixels is not None),
        owners_of(lesson.labels, owners, labels),
        masses * belief,
        torch.full((len(tokens),), number),
    )


def thinned(owners: Tensor, lessons: Tensor, n_labels: int, limit: int) -> tuple[Tensor, Tensor]:
    """Index (S',) of at most `limit` of (S,) samples, as evenly as possible of each label of each
    lesson, and the factor (S',) by which each now stands for more."""
    groups = lessons * n_labels + owners
    if len(owners) <= limit:
        return torch.arange(len(owners)), torch.ones(len(owners))
    kept = ranks_in_groups(groups).sort(stable=True).indices[:limit].sort().values
    before, after = (
        torch.bincount(groups),
        torch.bincount(groups[kept], minlength=int(groups.max()) + 1),
    )
    return kept, (before / after.clamp_min(1))[groups[kept]]
