"""Memory: all that a project's lessons say, blended into what the words say.

Two experts read the lessons: prototypes (one linear map, sure of the large view) and neighbours
(the keys themselves, after Tip-Adapter, sure of what was seen before). The more lessons there are,
the more they say beside the words. No gradient anywhere.
Shapes: N keys, E channels of the joint space, L labels with "none of them" last, C = K + 1 classes
with "none of them" last, h, w patches.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from model.memory.lessons import Lesson
from model.memory.prototypes import Prototypes, fit, held_out_logits, trust_of_lessons
from model.memory.recalibration import Calibration, recalibrate

NEVER = -1e4  # logit


@dataclass(frozen=True)
class MemoryConfig:
    """How much each part says; a weight of 0 switches it off."""

    max_keys: int = 4096
    mistake_gain: float = 1.0  # a key where our prediction was wrong counts 1 + this
    prototype_weight: float = 0.4  # of the prototypes' logits, with many lessons
    prototype_lessons: float = 3.0  # so many lessons after the first give them half of it
    neighbour_weight: float = 0.75  # of the neighbours' log-densities
    neighbour_sharpness: float = 20.0  # of a key's reach, in cosine
    mass_power: float = 0.5  # how far a label's neighbours count by their mass, 0..1
    familiar_keys: float = 1.0  # keys on the spot that halve what untaught labels say
    judges_lessons: bool = True
    calibrates: bool = True


@dataclass(frozen=True, eq=False)
class Memory:
    config: MemoryConfig = MemoryConfig()
    space: str = ""
    labels: tuple[str, ...] = ()  # L - 1 taught ones
    keys: Tensor = field(default_factory=lambda: torch.zeros(0, 1))  # (N, E) unit length
    owners: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))  # (N,) 0..L-1
    weights: Tensor = field(default_factory=lambda: torch.zeros(0))  # (N,)
    origin: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))  # (N,) lesson
    counts: Mapping[str, int] = field(default_factory=dict)  # label -> lessons that taught it
    n_lessons: int = 0
    version: str = ""  # of what is in it, "" when empty

    @staticmethod
    def of(lessons: Iterable[Lesson], config: MemoryConfig = MemoryConfig()) -> "Memory":  # noqa: B008
        """What these lessons say, in whatever order; those of the commonest space count."""
        known = _of_one_space(lessons)
        if not known:
            return Memory(config)
        labels = tuple(sorted({label for lesson in known for label in lesson.labels}))
        keys, owners, masses, was_wrong, origin = _joined(known, labels, config.max_keys)
        weights = masses * (1 + config.mistake_gain * was_wrong)
        if config.judges_lessons:
            evidence = config.prototype_weight
            trust = trust_of_lessons(keys, owners, weights, origin, len(labels) + 1, evidence)
            weights = weights * trust[origin]
        content = "".join(lesson.digest for lesson in known)
        return Memory(
            config,
            known[0].space,
            labels,
            keys,
            owners,
            weights,
            origin,
            dict(Counter(label for lesson in known for label in lesson.labels)),
            len(known),
            hashlib.blake2b(content.encode(), digest_size=4).hexdigest(),
        )

    @cached_property
    def prototypes(self) -> Prototypes:
        return fit(self.keys, self.owners, self.weights, len(self.labels) + 1)

    @cached_property
    def held_out(self) -> tuple[Tensor, Tensor]:
        """Logits (N, L) of the keys by other lessons' prototypes, and the labels those know."""
        n_labels = len(self.labels) + 1
        return held_out_logits(self.keys, self.owners, self.weights, self.origin, n_labels)

    @cached_property
    def middle(self) -> Tensor:
        """(E,): what all keys share, and so tells nothing."""
        return (self.keys * self.weights[:, None]).sum(dim=0) / self.weights.sum()

    @cached_property
    def centred_keys(self) -> Tensor:
        return F.normalize(self.keys - self.middle, dim=1)

    def blend(
        self,
        words: Tensor,
        patch_tokens: Tensor,
        class_of_label: Mapping[str, int],
        key_words: Tensor | None = None,
    ) -> Tensor:
        """Probs (C, h, w) of the words, blended with what lessons say of the patches (E, h, w).

        `class_of_label` has "" for "none of them"; `key_words` (C, N) are the words' probs at the
        keys, for the calibration.
        """
        taught = self.taught(class_of_label, len(words))
        if not taught.any():
            return words
        class_of = self.classes(class_of_label)
        calibration = Calibration(torch.zeros(len(words)))
        if self.config.calibrates and key_words is not None:
            calibration = self.calibration(normalised(key_words.T), class_of, taught)

        points = F.normalize(patch_tokens.flatten(1).T, dim=1)  # (h * w, E)
        prior = normalised(words.flatten(1).T)  # (h * w, C)
        logits, familiar = self.evidence(points, class_of, len(words))
        logits = prior.log() + logits + calibration.bias
        among_taught = logits.masked_fill(~taught, NEVER).softmax(dim=1)
        # Where it has seen much alike, the untaught labels' claim shrinks in favour of the taught.
        untaught = prior * ~taught * (1 - familiar)[:, None]
        blended = untaught + (1 - untaught.sum(dim=1, keepdim=True)) * among_taught
        blended = normalised(normalised(blended) ** (1 / calibration.temperature))
        return blended.T.reshape(words.shape)

    def classes(self, class_of_label: Mapping[str, int]) -> Tensor:
        """(L,): the class that each label is in a vocabulary, -1 where it no longer has it."""
        return torch.tensor([class_of_label.get(label, -1) for label in (*self.labels, "")])

    def taught(self, class_of_label: Mapping[str, int], n_classes: int) -> Tensor:
        """(C,) bool: the classes that lessons say something of."""
        of_keys = self.classes(class_of_label)[self.owners]
        return torch.bincount(of_keys[of_keys >= 0], minlength=n_classes) > 0

    def calibration(self, key_words: Tensor, class_of: Tensor, taught: Tensor) -> Calibration:
        """By how lessons fare with the words' probs (N, C) and what the other lessons taught."""
        held_out, known = self.held_out
        owner = class_of[self.owners]
        judged = (owner >= 0) & known.gather(1, self.owners[:, None])[:, 0]
        logits = self.of_classes(held_out * self.prototype_share, class_of, len(taught))
        log_probs = (key_words.log() + logits).masked_fill(~taught, NEVER).log_softmax(dim=1)
        found = recalibrate(log_probs[judged], owner[judged], self.weights[judged], self.n_lessons)
        return Calibration(found.bias * taught, found.temperature)

    @property
    def prototype_share(self) -> float:
        """The more lessons, the more the prototypes say; one image alone shows no covariance."""
        others = max(0, self.n_lessons - 1)
        many = others / (others + self.config.prototype_lessons)
        return self.config.prototype_weight * many

    def of_classes(self, of_labels: Tensor, class_of: Tensor, n_classes: int) -> Tensor:
        """Logits (n, C) of those of labels (n, L): the best label of each class, 0 without one."""
        has_keys = torch.bincount(self.owners, minlength=len(class_of)) > 0
        labels = (class_of >= 0) & has_keys
        logits = of_labels.new_full((len(of_labels), n_classes), NEVER)
        index = class_of[labels].expand(len(of_labels), -1)
        logits.scatter_reduce_(1, index, of_labels[:, labels], "amax")
        return logits * (logits > NEVER)

    def evidence(self, points: Tensor, class_of: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
        """Logits (n, C) of points (n, E) by both experts, and how familiar (n,) they look, 0..1.

        `class_of` (L,): which class each label is, -1 for none; classes without a label get 0.
        """
        of_labels = self.prototypes.logits(points) * self.prototype_share
        logits = self.of_classes(of_labels, class_of, n_classes)
        densities, near = self.neighbours(points)  # (n, L), (n, L)
        used = class_of >= 0
        index = class_of[used].expand(len(points), -1)
        density = points.new_zeros(len(points), n_classes)
        density.scatter_add_(1, index, densities[:, used])
        floor = 0.01 * density.sum(dim=1, keepdim=True) + 1e-12
        logits = logits + self.config.neighbour_weight * (density + floor).log()
        n_near = near[:, used].sum(dim=1)
        return logits, n_near / (n_near + self.config.familiar_keys)

    def neighbours(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Density (n, L) of each label's keys around points (n, E), and the number of keys near."""
        n_labels, config = len(self.labels) + 1, self.config
        cosine = F.normalize(points - self.middle, dim=1) @ self.centred_keys.T
        near = cosine.sub_(1).mul_(config.neighbour_sharpness).exp_()  # (n, N)
        is_owner = F.one_hot(self.owners, n_labels).float()
        totals = self.weights @ is_owner  # (L,)
        sizes = (totals / totals.max()) ** config.mass_power / totals.clamp_min(1e-12)
        shares = is_owner * self.weights[:, None] * sizes
        both = near @ torch.cat([shares, is_owner], dim=1)
        return both[:, :n_labels], both[:, n_labels:]


def normalised(probs: Tensor) -> Tensor:
    """Rows (n, C) a little above 0 that sum to 1."""
    probs = probs.clamp_min(1e-6)
    return probs / probs.sum(dim=1, keepdim=True)


def _of_one_space(lessons: Iterable[Lesson]) -> list[Lesson]:
    """The lessons of the commonest space, in an order that only depends on what is in them."""
    known = sorted((lesson for lesson in lessons if len(lesson.keys)), key=lambda one: one.digest)
    spaces = Counter(lesson.space for lesson in known)
    space = min(spaces, key=lambda name: (-spaces[name], name), default="")
    return [lesson for lesson in known if lesson.space == space]


def _joined(
    lessons: Sequence[Lesson], labels: tuple[str, ...], max_keys: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Keys (N, E), owners, masses, mistakes and lesson numbers (N,) of at most `max_keys` keys.

    Of too many, the largest keys of each label of each lesson stay, as evenly as can be.
    """
    place = {label: index for index, label in enumerate(labels)}
    owners = torch.cat(
        [
            torch.tensor([*(place[name] for name in lesson.labels), len(labels)])[
                lesson.owners.long()
            ]
            for lesson in lessons
        ]
    )
    sizes = torch.tensor([len(lesson.keys) for lesson in lessons])
    origin = torch.arange(len(lessons)).repeat_interleave(sizes)
    masses = torch.cat([lesson.masses for lesson in lessons]).clamp_min(1e-9)
    was_wrong = torch.cat([lesson.was_wrong for lesson in lessons])
    kept = torch.arange(len(masses))
    if len(kept) > max_keys:
        largest = masses.sort(descending=True, stable=True).indices
        groups = origin * (len(labels) + 1) + owners
        ranks = _ranks(groups[largest])  # 0 for the largest key of its group, and so on
        kept = largest[ranks.sort(stable=True).indices[:max_keys]].sort().values
    keys = torch.cat([lesson.keys for lesson in lessons])[kept].float()
    return (
        F.normalize(keys, dim=1), owners[kept], masses[kept], was_wrong[kept], origin[kept],
    )  # fmt: skip


def _ranks(groups: Tensor) -> Tensor:
    """How many of the same group come before each of (N,): [3, 5, 3, 3] -> [0, 0, 1, 2]."""
    order = groups.sort(stable=True).indices
    starts = torch.bincount(groups).cumsum(0) - torch.bincount(groups)
    ranks = torch.empty_like(groups)
    ranks[order] = torch.arange(len(groups)) - starts[groups[order]]
    return ranks
