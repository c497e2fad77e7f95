"""Memory: the predictor built of a project's lessons, blended with what the text predicts.

Two estimates read the lessons: prototypes (one linear map, which generalizes) and neighbors (a
kernel density of the keys themselves, after Tip-Adapter, 2207.09519, which recalls what was seen).
The more lessons there are, the more the prototypes count. No gradient anywhere.
Shapes: N keys, E channels of the joint space, L labels with the background last, C = K + 1 classes
with the background last, h, w patches, n points.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from model.memory.calibration import Calibration, fit_calibration
from model.memory.keys import join_keys, of_commonest_space
from model.memory.lessons import Lesson
from model.memory.prototypes import (
    Prototypes,
    fit_prototypes,
    held_out_logits,
    lesson_reliability,
)

EXCLUDED_LOGIT = -1e4  # of classes that cannot be: exp of it is 0, and it stays finite


@dataclass(frozen=True)
class MemoryConfig:
    """How much each part counts, chosen by benchmarks.corrections (benchmarks/README.md); a weight
    of 0 switches a part off."""

    max_keys: int = 4096
    mistake_gain: float = 1.0  # a key where our prediction was wrong weighs 1 + this
    prototype_weight: float = 0.4  # of the prototypes' logits, with many lessons
    prototype_lessons: float = 3.0  # lessons after the first at which they have half of it
    neighbor_weight: float = 0.75  # of the neighbors' log-densities
    neighbor_sharpness: float = 20.0  # of the kernel exp(sharpness * (cosine - 1))
    mass_power: float = 0.5  # how far a label's density grows with its mass, 0..1
    familiar_keys: float = 1.0  # keys at a point that halve the probs of untaught classes
    calibrates: bool = True


@dataclass(frozen=True, eq=False)
class Memory:
    config: MemoryConfig = MemoryConfig()
    space: str = ""  # of the features, as Lesson.space
    labels: tuple[str, ...] = ()  # L - 1 taught ones
    keys: Tensor = field(default_factory=lambda: torch.zeros(0, 1))  # (N, E) unit length
    owners: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))  # (N,) 0..L-1
    weights: Tensor = field(default_factory=lambda: torch.zeros(0))  # (N,)
    lessons: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))  # (N,) index
    counts: Mapping[str, int] = field(default_factory=dict)  # label -> lessons that taught it
    n_lessons: int = 0
    version: str = ""  # digest of its content, "" when empty

    @staticmethod
    def of(lessons: Iterable[Lesson], config: MemoryConfig = MemoryConfig()) -> "Memory":  # noqa: B008
        """The memory of these lessons, in any order; only those of the commonest space count."""
        known = of_commonest_space(lessons)
        if not known:
            return Memory(config)
        labels = tuple(sorted({label for lesson in known for label in lesson.labels}))
        keys = join_keys(known, labels, config.max_keys)
        weights = keys.masses * (1 + config.mistake_gain * keys.was_wrong)
        reliability = lesson_reliability(
            keys.vectors,
            keys.owners,
            weights,
            keys.lessons,
            n_labels=len(labels) + 1,
            logit_weight=config.prototype_weight,
        )
        content = "".join(lesson.digest for lesson in known)
        return Memory(
            config=config,
            space=known[0].space,
            labels=labels,
            keys=keys.vectors,
            owners=keys.owners,
            weights=weights * reliability[keys.lessons],
            lessons=keys.lessons,
            counts=dict(Counter(label for lesson in known for label in lesson.labels)),
            n_lessons=len(known),
            version=hashlib.blake2b(content.encode(), digest_size=4).hexdigest(),
        )

    @cached_property
    def prototypes(self) -> Prototypes:
        return fit_prototypes(self.keys, self.owners, self.weights, len(self.labels) + 1)

    @cached_property
    def held_out(self) -> tuple[Tensor, Tensor]:
        """As `held_out_logits`, of this memory's keys."""
        n_labels = len(self.labels) + 1
        return held_out_logits(self.keys, self.owners, self.weights, self.lessons, n_labels)

    @cached_property
    def mean_key(self) -> Tensor:
        """(E,), weighted."""
        return (self.keys * self.weights[:, None]).sum(dim=0) / self.weights.sum()

    @cached_property
    def centered_keys(self) -> Tensor:
        return F.normalize(self.keys - self.mean_key, dim=1)

    def blend(
        self,
        text_probs: Tensor,
        patch_tokens: Tensor,
        class_of_label: Mapping[str, int],
        text_probs_at_keys: Tensor | None = None,
    ) -> Tensor:
        """Class probs (C, h, w) by text, updated by the lessons at the patches (E, h, w).

        `class_of_label` has "" for the background; `text_probs_at_keys` (C, N) are for the
        calibration, which is left out without them.
        """
        is_taught = self.taught_classes(class_of_label, len(text_probs))
        if not is_taught.any():
            return text_probs
        class_of = self.classes_of_labels(class_of_label)
        calibration = Calibration(torch.zeros(len(text_probs)))
        if self.config.calibrates and text_probs_at_keys is not None:
            at_keys = normalized(text_probs_at_keys.T)
            calibration = self.calibration(at_keys, class_of, is_taught)

        points = F.normalize(patch_tokens.flatten(1).T, dim=1)  # (h * w, E)
        prior = normalized(text_probs.flatten(1).T)  # (h * w, C)
        logits, familiarity = self.logits(points, class_of, len(text_probs))
        logits = prior.log() + logits + calibration.bias
        among_taught = logits.masked_fill(~is_taught, EXCLUDED_LOGIT).softmax(dim=1)
        # Where many keys are near, the probs of untaught classes shrink in favor of the taught.
        untaught = prior * ~is_taught * (1 - familiarity)[:, None]
        blended = untaught + (1 - untaught.sum(dim=1, keepdim=True)) * among_taught
        blended = normalized(normalized(blended) ** (1 / calibration.temperature))
        return blended.T.reshape(text_probs.shape)

    def classes_of_labels(self, class_of_label: Mapping[str, int]) -> Tensor:
        """(L,): the class of each label in a vocabulary, -1 where it no longer has it."""
        return torch.tensor([class_of_label.get(label, -1) for label in (*self.labels, "")])

    def taught_classes(self, class_of_label: Mapping[str, int], n_classes: int) -> Tensor:
        """(C,) bool: the classes that have keys."""
        of_keys = self.classes_of_labels(class_of_label)[self.owners]
        return torch.bincount(of_keys[of_keys >= 0], minlength=n_classes) > 0

    def calibration(
        self, text_probs_at_keys: Tensor, class_of: Tensor, is_taught: Tensor
    ) -> Calibration:
        """Fitted to the text's probs (N, C) times the prototypes of the other lessons."""
        held_out, is_known = self.held_out
        classes = class_of[self.owners]
        is_judged = (classes >= 0) & is_known.gather(1, self.owners[:, None])[:, 0]
        logits = self.class_logits(held_out * self.prototype_weight, class_of, len(is_taught))
        logits = (text_probs_at_keys.log() + logits).masked_fill(~is_taught, EXCLUDED_LOGIT)
        fitted = fit_calibration(
            logits.log_softmax(dim=1)[is_judged],
            classes[is_judged],
            self.weights[is_judged],
            self.n_lessons,
        )
        return Calibration(fitted.bias * is_taught, fitted.temperature)

    @property
    def prototype_weight(self) -> float:
        """Grows with the lessons, 0 for one: one image alone shows no covariance."""
        others = max(0, self.n_lessons - 1)
        return self.config.prototype_weight * (others / (others + self.config.prototype_lessons))

    def class_logits(self, label_logits: Tensor, class_of: Tensor, n_classes: int) -> Tensor:
        """Logits (n, C) of label logits (n, L): the best label of each class, 0 without one."""
        has_keys = torch.bincount(self.owners, minlength=len(class_of)) > 0
        labels = (class_of >= 0) & has_keys
        logits = label_logits.new_full((len(label_logits), n_classes), EXCLUDED_LOGIT)
        index = class_of[labels].expand(len(label_logits), -1)
        logits.scatter_reduce_(1, index, label_logits[:, labels], "amax")
        return logits * (logits > EXCLUDED_LOGIT)

    def logits(self, points: Tensor, class_of: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
        """Logits (n, C) of points (n, E) by prototypes and neighbors, and familiarity (n,), 0..1.

        `class_of` (L,): the class of each label, -1 for none; classes without a label get 0.
        """
        label_logits = self.prototypes.logits(points) * self.prototype_weight
        logits = self.class_logits(label_logits, class_of, n_classes)
        densities, n_near = self.neighbors(points)  # (n, L), (n, L)
        is_used = class_of >= 0
        index = class_of[is_used].expand(len(points), -1)
        density = points.new_zeros(len(points), n_classes)
        density.scatter_add_(1, index, densities[:, is_used])
        floor = 0.01 * density.sum(dim=1, keepdim=True) + 1e-12
        logits = logits + self.config.neighbor_weight * (density + floor).log()
        near = n_near[:, is_used].sum(dim=1)
        return logits, near / (near + self.config.familiar_keys)

    def neighbors(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Kernel density (n, L) of each label's keys at points (n, E), and (n, L) keys near."""
        n_labels, config = len(self.labels) + 1, self.config
        cosine = F.normalize(points - self.mean_key, dim=1) @ self.centered_keys.T
        kernel = cosine.sub_(1).mul_(config.neighbor_sharpness).exp_()  # (n, N)
        is_owner = F.one_hot(self.owners, n_labels).float()
        totals = self.weights @ is_owner  # (L,)
        sizes = (totals / totals.max()) ** config.mass_power / totals.clamp_min(1e-12)
        shares = is_owner * self.weights[:, None] * sizes
        both = kernel @ torch.cat([shares, is_owner], dim=1)
        return both[:, :n_labels], both[:, n_labels:]


def normalized(probs: Tensor) -> Tensor:
    """Rows (n, C) clipped to at least 1e-6 and divided by their sums."""
    probs = probs.clamp_min(1e-6)
    return probs / probs.sum(dim=1, keepdim=True)
