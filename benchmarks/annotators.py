"""Simulated annotators: they get our prediction, and correct it to the truth, or to a wrong mask.

Features and text probs of each image are computed once; a lesson depends on its image alone, so
learning from any choice of images is joining lessons.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.datasets import Confusion, MeasuringSet
from benchmarks.linear_probe import LinearProbe, majority
from benchmarks.measuring import has_background, vocabulary_of
from model import METHODS, DenseFeatures, Lesson, Memory, Segmenter, TaughtMask
from model.pixel_labels import label_pixels

MAX_POOL = 50  # images to correct; all others stay untouched


@dataclass
class Studied:
    """One image, and what is predicted before any correction."""

    features: DenseFeatures
    image: NDArray[np.uint8]
    truth: NDArray[np.uint8]  # (H, W), at the image's size
    text_probs: Tensor  # (K + 1, h, w) float16, without memory


class Project:
    """A measuring set as a labeling project with its plain names."""

    def __init__(
        self,
        segmenter: Segmenter,
        data: MeasuringSet,
        limit: int = 0,
        *,
        is_by_score: bool = False,
    ) -> None:
        """`is_by_score`: the tasks of the lowest scores are corrected first, else in any order."""
        self.segmenter, self.data, self.method = segmenter, data, METHODS["firstpass"]
        self.names = data.class_names
        self.shift = int(has_background(self.names))  # the vocabulary lacks class 0
        self.vocabulary = vocabulary_of(data, "plain")
        self.studied = [self._study(stem) for stem in data.spread(limit)]
        self.is_by_score = is_by_score
        self._scores: dict[int, float] = {}
        self._lessons: dict[int, Lesson] = {}
        self.learn_s: list[float] = []

    def _study(self, stem: str) -> Studied:
        sample = self.data.load(stem)
        (features,) = self.segmenter.encode([sample.image], self.method)
        text_probs = self.segmenter.patch_probs(
            features, sample.image, self.vocabulary, self.method
        )
        features = replace(features, patch_tokens=features.patch_tokens.half())
        return Studied(features, sample.image, sample.truth, text_probs.half())

    def label_pixels(
        self, index: int, memory: Memory | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The set's class number of each pixel (H, W), as a user would see it, and its prob."""
        one, segmenter, method = self.studied[index], self.segmenter, self.method
        features = replace(one.features, patch_tokens=one.features.patch_tokens.float())
        blend = segmenter.blend(self.vocabulary, method, memory)
        probs = one.text_probs.float()
        if blend is not None:
            probs = segmenter.patch_probs(features, one.image, self.vocabulary, method, blend)
        label_map, best_prob = label_pixels(
            probs, one.image, method.decision, blend, segmenter.refining_device
        )
        return self.classes(label_map.cpu().numpy()), best_prob.cpu().numpy()

    def split(self, seed: int) -> tuple[list[int], list[int]]:
        """Images to correct in their order, and images that stay untouched."""
        order = np.random.default_rng(seed).permutation(len(self.studied)).tolist()
        pool = min(MAX_POOL, len(order) // 2)
        if self.is_by_score:
            return sorted(order[:pool], key=self.task_score), order[pool:]
        return order[:pool], order[pool:]

    def task_score(self, index: int) -> float:
        """What the data manager sorts by: the mean of the labels' scores; 0 without any."""
        if index not in self._scores:
            one = self.studied[index]
            features = replace(one.features, patch_tokens=one.features.patch_tokens.float())
            found = self.segmenter.segment(features, one.image, self.vocabulary, self.method)
            scores = found.scores[found.scores > 0]
            self._scores[index] = float(scores.mean()) if len(scores) else 0.0
        return self._scores[index]

    def lesson(self, index: int) -> Lesson:
        """What correcting our first prediction of an image to the truth teaches."""
        if index not in self._lessons:
            one = self.studied[index]
            predicted = self.label_pixels(index, None)[0].astype(np.int64) - self.shift
            taught = [
                TaughtMask(name, one.truth == number + self.shift, predicted == number)
                for number, name in enumerate(self.vocabulary.names)
                if (one.truth == number + self.shift).any() or (predicted == number).any()
            ]
            self._lessons[index] = self.learn(index, taught)
        return self._lessons[index]

    def wrong_lesson(self, index: int, kind: str) -> Lesson:
        """A wrong one: "flood" gives all of the image one absent label, "swap" exchanges labels."""
        one, names = self.studied[index], self.vocabulary.names
        present = [n for n in range(len(names)) if (one.truth == n + self.shift).any()]
        absent = [n for n in range(len(names)) if n not in present]
        if kind == "flood":
            name = names[(absent or present)[index % len(absent or present)]]
            return self.learn(index, [TaughtMask(name, np.ones(one.truth.shape, bool))])
        masks = [one.truth == n + self.shift for n in present]
        others = np.roll(present, 1) if len(present) > 1 else [absent[index % len(absent)]]
        if len(present) <= 1:  # what is there is left out, what is not is painted
            masks = [~mask for mask in masks] or [np.ones(one.truth.shape, bool)]
        return self.learn(
            index, [TaughtMask(names[n], mask) for n, mask in zip(others, masks, strict=True)]
        )

    def learn(self, index: int, taught: Sequence[TaughtMask]) -> Lesson:
        one, started_s = self.studied[index], time.perf_counter()
        features = replace(one.features, patch_tokens=one.features.patch_tokens.float())
        lesson = self.segmenter.learn(features, one.image, taught, self.vocabulary, self.method)
        self.learn_s.append(time.perf_counter() - started_s)
        return lesson

    def miou(self, images: Sequence[int], memory: Memory | None) -> float:
        confusion = Confusion(len(self.names) + 1)
        for index in images:
            confusion.add(self.studied[index].truth, self.label_pixels(index, memory)[0])
        return confusion.miou

    def probe_miou(self, taught: Sequence[int], images: Sequence[int]) -> float:
        def grid(index: int) -> Tensor:
            return self.studied[index].features.patch_tokens

        truths = [
            majority(self.studied[i].truth, (grid(i).shape[1], grid(i).shape[2])) for i in taught
        ]
        probe = LinearProbe([grid(i) for i in taught], truths, len(self.names))
        confusion = Confusion(len(self.names) + 1)
        for index in images:
            truth = self.studied[index].truth
            probs = F.interpolate(probe(grid(index))[None], truth.shape, mode="bilinear")[0]
            confusion.add(truth, probs.argmax(dim=0).numpy())
        return confusion.miou

    def classes(self, label_map: NDArray[np.int16]) -> NDArray[np.int64]:
        """The set's own class numbers; unlabeled is its background, or no class at all."""
        none = 0 if self.shift else len(self.names)
        is_none = label_map == len(self.vocabulary.classes)
        return np.where(is_none, none, label_map.astype(np.int64) + self.shift)
