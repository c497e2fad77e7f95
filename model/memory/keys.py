"""The keys of many lessons in one table, at most so many.

Shapes: N keys, E channels of the tokens, L labels with the background last.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from model.memory.lesson import Lesson

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Keys:
    vectors: Tensor  # (N, E), unit length
    owners: Tensor  # (N,) int64: label, 0..L-1
    masses: Tensor  # (N,)
    was_wrong: Tensor  # (N,) bool
    lessons: Tensor  # (N,) int64: index of the lesson

    def where(self, kept: Tensor) -> "Keys":
        """Those of (N,) bool."""
        return Keys(*(getattr(self, field.name)[kept] for field in fields(self)))


def of_commonest_space(lessons: Iterable[Lesson]) -> list[Lesson]:
    """Lessons of the space that most of them have, in an order that depends on their content
    only."""
    known = sorted((lesson for lesson in lessons if len(lesson.keys)), key=lambda one: one.digest)
    spaces = Counter(lesson.space for lesson in known)
    space = min(spaces, key=lambda name: (-spaces[name], name), default="")
    return [lesson for lesson in known if lesson.space == space]


def of_one_width(lessons: Sequence[Lesson]) -> list[Lesson]:
    """Lessons that can be compared: the middle channels count only if all have them."""
    n_without = sum(not lesson.middle_channels for lesson in lessons)
    if n_without in (0, len(lessons)):
        return list(lessons)
    log.info(
        "%d of %d lessons are of a release before 0.5.0, which did not keep the tower's middle "
        "block: all are read without it until those are learned again (docs/learning.md)",
        n_without,
        len(lessons),
    )
    return [lesson.without_middle() for lesson in lessons]


def join_keys(lessons: Sequence[Lesson], labels: tuple[str, ...], max_keys: int) -> Keys:
    """At most `max_keys` keys of the lessons; of too many, the largest of each label of each lesson
    stay, as evenly as possible."""
    owners = torch.cat([owners_of(one.labels, one.owners, labels) for one in lessons])
    sizes = torch.tensor([len(lesson.keys) for lesson in lessons])
    origin = torch.arange(len(lessons)).repeat_interleave(sizes)
    masses = torch.cat([lesson.masses for lesson in lessons]).clamp_min(1e-9)
    was_wrong = torch.cat([lesson.was_wrong for lesson in lessons])
    kept = torch.arange(len(masses))
    if len(kept) > max_keys:
        largest = masses.sort(descending=True, stable=True).indices
        groups = origin * (len(labels) + 1) + owners
        ranks = ranks_in_groups(groups[largest])  # 0 for the largest key of its group, and so on
        kept = largest[ranks.sort(stable=True).indices[:max_keys]].sort().values
    vectors = torch.cat([lesson.keys for lesson in lessons])[kept].float()
    return Keys(
        F.normalize(vectors, dim=1), owners[kept], masses[kept], was_wrong[kept], origin[kept]
    )


def owners_of(own_labels: Sequence[str], owners: Tensor, labels: Sequence[str]) -> Tensor:
    """Owners (N,) among a lesson's own labels, -1 the background, as indices among all labels."""
    place = {label: index for index, label in enumerate(labels)}
    return torch.tensor([*(place[name] for name in own_labels), len(labels)])[owners.long()]


def ranks_in_groups(groups: Tensor) -> Tensor:
    """How many of the same group come before each of (N,): [3, 5, 3, 3] -> [0, 0, 1, 2]."""
    order = groups.sort(stable=True).indices
    starts = torch.bincount(groups).cumsum(0) - torch.bincount(groups)
    ranks = torch.empty_like(groups)
    ranks[order] = torch.arange(len(groups)) - starts[groups[order]]
    return ranks
