"""Simulated annotators: they get our prediction, and correct it to the truth, or to a wrong mask.

Features and text probs of each image are computed once; a lesson depends on its image alone, so
learning from any choice of images is joining lessons.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.datasets import Confusion, MeasuringSet
from benchmarks.linear_probe import LinearProbe, majority
from benchmarks.measuring import has_background, vocabulary_of
from model import METHODS, DenseFeatures, Lesson, Memory, Segmenter, TaughtMask

CELLS_A_PATCH = 4  # of the truth that answers are compared with, per side
MAX_POOL = 50  # images to correct; all others stay untouched


@dataclass
class Studied:
    """One image, and what is predicted before any correction."""

    features: DenseFeatures
    image: NDArray[np.uint8]
    truth: NDArray[np.uint8]  # (H, W), at the image's size
    small_truth: NDArray[np.uint8]  # at CELLS_A_PATCH a patch
    text_probs: Tensor  # (K + 1, h, w) float16, without memory


class Project:
    """A measuring set as a labeling project with its plain names."""

    def __init__(
        self,
        segmenter: Segmenter,
        data: MeasuringSet,
        limit: int = 0,
    ) -> None:
        self.segmenter, self.data, self.method = segmenter, data, METHODS["firstpass"]
        self.names = data.class_names
        self.shift = int(has_background(self.names))  # the vocabulary lacks class 0
        self.vocabulary = vocabulary_of(data, "plain")
        self.studied = [self._study(stem) for stem in data.spread(limit)]
        self._lessons: dict[int, Lesson] = {}
        self.learn_s: list[float] = []

    def _study(self, stem: str) -> Studied:
        sample = self.data.load(stem)
        (features,) = self.segmenter.encode([sample.image], self.method)
        grid_hw = features.patch_tokens.shape[1:]
        size = grid_hw[1] * CELLS_A_PATCH, grid_hw[0] * CELLS_A_PATCH
        small = cv2.resize(sample.truth, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
        text_probs = self.probs(features, sample.image)
        features = replace(features, patch_tokens=features.patch_tokens.half())
        return Studied(features, sample.image, sample.truth, small, text_probs.half())

    def probs(
        self, features: DenseFeatures, image: NDArray[np.uint8], memory: Memory | None = None
    ) -> Tensor:
        features = replace(features, patch_tokens=features.patch_tokens.float())
        return self.segmenter.patch_probs(features, image, self.vocabulary, self.method, memory)

    def split(self, seed: int) -> tuple[list[int], list[int]]:
        """Images to correct in their order, and images that stay untouched."""
        order = np.random.default_rng(seed).permutation(len(self.studied)).tolist()
        pool = min(MAX_POOL, len(order) // 2)
        return order[:pool], order[pool:]

    def lesson(self, index: int) -> Lesson:
        """What correcting our first prediction of an image to the truth teaches."""
        if index not in self._lessons:
            one = self.studied[index]
            predicted = cv2.resize(
                self.decide(one.text_probs).astype(np.int16),
                one.truth.shape[::-1],
                interpolation=cv2.INTER_NEAREST,
            )
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
        lesson = self.segmenter.learn(features, taught, self.vocabulary, self.method)
        self.learn_s.append(time.perf_counter() - started_s)
        return lesson

    def decide(self, probs: Tensor) -> NDArray[np.int64]:
        """Class numbers of the vocabulary (h, w) at CELLS_A_PATCH, K for none of them."""
        return larger(probs).argmax(dim=0).numpy()

    def miou(self, images: Sequence[int], memory: Memory | None) -> float:
        confusion = Confusion(len(self.names) + 1)
        for index in images:
            one = self.studied[index]
            probs = self.probs(one.features, one.image, memory) if memory else one.text_probs
            confusion.add(one.small_truth, self.classes(self.decide(probs)))
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
            answer = larger(probe(grid(index))).argmax(dim=0).numpy()
            confusion.add(self.studied[index].small_truth, answer)
        return confusion.miou

    def classes(self, decided: NDArray[np.int64]) -> NDArray[np.int64]:
        """The set's own class numbers; unlabeled is its background, or no class at all."""
        none = 0 if self.shift else len(self.names)
        return np.where(decided == len(self.vocabulary.classes), none, decided + self.shift)


def larger(probs: Tensor) -> Tensor:
    return F.interpolate(probs[None].float(), scale_factor=CELLS_A_PATCH, mode="bilinear")[0]
