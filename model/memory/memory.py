"""Memory: what a project's lessons teach, for any vocabulary.

Two experts read the lessons, patches (`patch_expert`) and pixels (`pixel_expert`); how far each is
believed beside the words is judged by the lessons themselves (`judge`). No gradient anywhere.
Shapes: N points, L labels with the background last, C = K + 1 classes with the background last.
"""

import hashlib
import logging
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from textwrap import shorten
from typing import Any

import torch
import torch.nn.functional as F
from cachetools import LRUCache
from torch import Tensor

from model.memory.blend import UNKNOWN_LOGIT, Blend, normalized, sum_by_class, to_classes
from model.memory.held_out import FoldAnswers, cross_validate
from model.memory.joined_samples import Points, Samples, join_points, join_samples
from model.memory.judge import (
    MIN_LESSONS,
    UNJUDGED,
    WORDS_ALONE,
    ExpertWeights,
    HeldOut,
    fit_weights,
    share_right,
)
from model.memory.keys import join_keys, of_commonest_space, of_one_width
from model.memory.lesson import Lesson
from model.memory.patch_expert import PatchConfig, PatchExpert
from model.memory.pixel_expert import PixelExpert, log_probs
from model.memory.reliability import lesson_reliability

MAX_VOCABULARIES = 8  # whose weights are kept

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MemoryConfig:
    """Chosen by benchmarks.corrections (benchmarks/README.md)."""

    max_keys: int = 4096
    mistake_gain: float = 1.0  # a key where our prediction was wrong weighs 1 + this
    patches: PatchConfig = PatchConfig()  # noqa: RUF009, frozen
    weights: ExpertWeights | None = None  # of the experts; None: judged by the lessons


@dataclass(frozen=True, eq=False)
class Memory:
    config: MemoryConfig
    space: str  # of the features, as Lesson.space
    labels: tuple[str, ...]  # L - 1 taught ones
    patches: PatchExpert
    samples: Samples
    points: Points  # by which the experts are judged
    counts: Mapping[str, int]  # label -> lessons that taught it
    kept_masks: Mapping[str, float]  # as Lesson.kept_masks, the mean of the lessons that know it
    n_lessons: int
    version: str  # digest of its content
    joint_channels: int  # as Lesson.joint_channels
    _weights: LRUCache[str, ExpertWeights] = field(
        default_factory=lambda: LRUCache(MAX_VOCABULARIES), repr=False
    )
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @staticmethod
    def of(lessons: Iterable[Lesson], config: MemoryConfig = MemoryConfig()) -> "Memory | None":  # noqa: B008
        """The memory of these lessons, in any order; only those of the commonest space count.

        None if there is no lesson to learn from.
        """
        known = of_commonest_space(lessons)
        if not known:
            return None
        content = "".join(lesson.digest for lesson in known)
        known = of_one_width(known)
        labels = tuple(sorted({label for lesson in known for label in lesson.labels}))
        memory = Memory(
            config=config,
            space=known[0].space,
            labels=labels,
            counts=dict(Counter(label for lesson in known for label in lesson.labels)),
            n_lessons=len(known),
            version=hashlib.blake2b(content.encode(), digest_size=4).hexdigest(),
            joint_channels=known[0].joint_channels,
            **_evidence(known, labels, torch.ones(len(known)), config),
        )
        answers, _ = memory.cross_validated
        belief = lesson_reliability(answers, memory.points, len(known))
        if (belief == 1).all():
            return memory
        return replace(memory, **_evidence(known, labels, belief, config))

    def blend(
        self,
        class_of_label: Mapping[str, int],
        n_classes: int,
        word_probs_at_points: Tensor | None,
    ) -> Blend:
        """The experts for one vocabulary.

        `class_of_label` has "" for the background; `word_probs_at_points` (C, N) are what words say
        of the judged points. Without them, nothing is judged.
        """
        class_of = torch.tensor([class_of_label.get(label, -1) for label in (*self.labels, "")])
        _, pixel_expert = self.cross_validated
        plain = Blend(self.patches, pixel_expert, class_of, n_classes, UNJUDGED, self.kept_masks)
        weights = self.config.weights
        if weights is None and word_probs_at_points is not None:
            weights = self.judged_weights(plain, normalized(word_probs_at_points.T))
        return plain if weights is None else replace(plain, weights=weights)

    @property
    def joint_tokens(self) -> Tensor:
        """(N, E') of unit length: the judged points in the joint space, by which words are read."""
        return F.normalize(self.points.tokens[:, : self.joint_channels], dim=1)

    @cached_property
    def cross_validated(self) -> tuple[FoldAnswers, PixelExpert | None]:
        return cross_validate(self.patches, self.samples, self.points)

    def judged_weights(self, blend: Blend, words: Tensor) -> ExpertWeights:
        """The weights for word probs (N, C) at the points; kept for the latest vocabularies."""
        content = words.numpy().tobytes() + blend.class_of_label.numpy().tobytes()
        key = hashlib.blake2b(content, digest_size=16).hexdigest()
        with self._lock:
            if key not in self._weights:
                self._weights[key] = self._judge(blend, words)
            return self._weights[key]

    def _judge(self, blend: Blend, words: Tensor) -> ExpertWeights:
        held_out = self.held_out(blend, words)
        weights = fit_weights(held_out, blend.is_taught)
        if self.n_lessons >= MIN_LESSONS and len(held_out.classes):
            log.info(
                "%d lessons of %s: they weigh words %.2f, patches %.2f, pixels %.2f; of what each "
                "lesson held out, %.0f%% would be right with the others, %.0f%% by words alone",
                self.n_lessons,
                shorten(", ".join(self.labels), 80, placeholder=" …"),
                weights.words,
                weights.patches,
                weights.pixels,
                100 * share_right(held_out, weights, blend.is_taught),
                100 * share_right(held_out, WORDS_ALONE, blend.is_taught),
            )
        return weights

    def held_out(self, blend: Blend, words: Tensor) -> HeldOut:
        """What the experts say of points that they have not seen, for word probs (N, C) there."""
        answers, _ = self.cross_validated
        class_of, n_classes = blend.class_of_label, blend.n_classes
        classes = class_of[self.points.owners]
        kept = classes >= 0
        known_labels = answers.is_known & (class_of >= 0)
        patches = answers.patch_logits.masked_fill(~known_labels, UNKNOWN_LOGIT)
        patches = to_classes(patches, class_of, blend.patch_expert.is_taught, n_classes)
        pixels = log_probs(sum_by_class(answers.pixel_probs, class_of, n_classes))
        pixels = pixels * self.points.has_features[:, None]
        log_prob = torch.stack([words.log(), patches.log_softmax(dim=1), pixels])
        is_known = sum_by_class(known_labels.float(), class_of, n_classes) > 0
        return HeldOut(
            log_prob[:, kept],
            is_known[kept],
            answers.familiarity[kept],
            classes[kept],
            self.points.masses[kept],
            self.n_lessons,
        )


def _evidence(
    lessons: Sequence[Lesson], labels: tuple[str, ...], belief: Tensor, config: MemoryConfig
) -> dict[str, Any]:
    """The parts of a memory that depend on how far each lesson is believed, (G,) 0..1."""
    keys = join_keys(lessons, labels, config.max_keys)
    weights = keys.masses * (1 + config.mistake_gain * keys.was_wrong) * belief[keys.lessons]
    n_labels = len(labels) + 1
    return {
        "patches": PatchExpert(config.patches, keys, weights, n_labels, len(lessons)),
        "samples": join_samples(lessons, labels, belief),
        "points": join_points(lessons, labels, belief),
        "kept_masks": mean_kept_masks(lessons, belief),
    }


def mean_kept_masks(lessons: Sequence[Lesson], belief: Tensor) -> dict[str, float]:
    """Lesson.kept_masks on the mean of the lessons, each counting as far as it is believed."""
    known = [(one.kept_masks, float(b)) for one, b in zip(lessons, belief, strict=True)]
    known = [(kept, weight) for kept, weight in known if kept]
    total = sum(weight for _, weight in known)
    names = sorted({name for kept, _ in known for name in kept})
    return {
        name: sum(weight * kept.get(name, 0) for kept, weight in known) / total for name in names
    }
