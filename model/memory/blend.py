"""Three experts in one answer: words, and patches and pixels as the lessons teach them.

Shapes: C classes of a vocabulary with the background last, L labels of the lessons with the
background last, E channels of the tokens, h, w patches, y, x working pixels, n points.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.memory.judge import EXCLUDED_LOGIT, ExpertWeights
from model.memory.patch_expert import PatchExpert
from model.memory.pixel_expert import MIN_PROB, PixelExpert, log_probs
from model.pixel_features import (
    N_FEATURES,
    WORKING_PIXELS,
    at_centers,
    pixel_features,
    working_image,
)
from model.refine.tiles import working_size

MIN_PIXEL_SHARE = 0.05  # of the decision, for which pixels are looked at
UNKNOWN_LOGIT = -20.0  # of a class without lessons, below any other
PIXELS_AT_ONCE = 2**16  # of which the trees are asked, which bounds the memory


@dataclass(frozen=True, eq=False)
class Blend:
    """The experts of a memory, and how far to believe them for one vocabulary."""

    patch_expert: PatchExpert
    pixel_expert: PixelExpert | None
    class_of_label: Tensor  # (L,): the class of each label, -1 for none
    n_classes: int  # C
    weights: ExpertWeights
    kept_masks: Mapping[str, float]  # as Lesson.kept_masks; empty: not known

    @property
    def is_taught(self) -> Tensor:
        """(C,) bool: the classes of which the lessons know something."""
        of_labels = self.class_of_label[self.patch_expert.is_taught]
        return torch.bincount(of_labels[of_labels >= 0], minlength=self.n_classes) > 0

    @property
    def pixel_share(self) -> float:
        """How much of the decision is the pixels', 0..1; 0 where they are not looked at."""
        share = self.weights.pixel_share
        return share if self.pixel_expert is not None and share > MIN_PIXEL_SHARE else 0.0

    @property
    def sees_pixels(self) -> bool:
        return self.pixel_share > 0

    def at_patches(self, word_probs: Tensor, tokens: Tensor) -> Tensor:
        """Class probs (C, h, w) by words, updated by what patches (E, h, w) say: those channels
        that the lessons have."""
        points = tokens[: self.patch_expert.n_channels].flatten(1).T
        points = F.normalize(points, dim=1)  # (h * w, E)
        words = normalized(word_probs.flatten(1).T)  # (h * w, C)
        patches, familiarity = self.patch_log_probs(points)
        logits = self.weights.words * words.log() + self.weights.patches * patches
        taught = logits.masked_fill(~self.is_taught, EXCLUDED_LOGIT).softmax(dim=1)
        # Where many keys are near, the probs of untaught classes shrink in favor of the taught.
        untaught = words * ~self.is_taught * (1 - familiarity)[:, None] * self.weights.untaught
        blended = untaught + (1 - untaught.sum(dim=1, keepdim=True)) * taught
        return normalized(blended).T.reshape(word_probs.shape)

    def at_pixels(
        self,
        probs: Tensor,
        classes: Tensor,
        image: NDArray[np.uint8],
        most_pixels: int = WORKING_PIXELS,
    ) -> Tensor:
        """Probs (k, y, x) of the `classes` (k,) at working pixels: those at patches (k, h, w), by
        words and patches, updated by what the pixels of the RGB image (H, W, 3) say.

        At most about `most_pixels` of them are looked at, evenly spread.
        """
        if self.pixel_expert is None:
            return probs
        working = working_image(image)
        size_hw = working_size((working.shape[0], working.shape[1]), most_pixels)
        planes = at_centers(pixel_features(working), size_hw)
        prior = F.interpolate(probs.clamp_min(1e-6).log()[None], size=size_hw, mode="bilinear")[0]
        prior = prior.flatten(1).log_softmax(dim=0)  # (k, y * x)
        answer = prior.exp()
        features = planes.reshape(-1, N_FEATURES)
        for part in self._open_pixels(prior).split(PIXELS_AT_ONCE):
            seen = self.pixel_expert.probs(features[part.numpy()])  # (n, L)
            seen = log_probs(sum_by_class(seen, self.class_of_label, self.n_classes))[:, classes]
            answer[:, part] = self._updated(prior[:, part], seen.T, self.is_taught[classes])
        return answer.view(len(probs), *size_hw)

    def _open_pixels(self, log_prior: Tensor) -> Tensor:
        """Indices of the pixels of (k, y * x) whose class the pixel expert could change."""
        best, second = log_prior.topk(min(2, len(log_prior)), dim=0).values[[0, -1]]
        is_open = best - second < -self.weights.pixels * math.log(MIN_PROB)
        indices: Tensor = is_open.nonzero()[:, 0]
        return indices

    def _updated(self, log_prior: Tensor, seen: Tensor, is_taught: Tensor) -> Tensor:
        """Probs (k, n) by log-probs before and of pixels; those of untaught classes stay."""
        logits = log_prior + self.weights.pixels * seen
        untaught = log_prior.exp() * ~is_taught[:, None]
        taught = logits.masked_fill(~is_taught[:, None], EXCLUDED_LOGIT).softmax(dim=0)
        updated: Tensor = untaught + (1 - untaught.sum(dim=0)) * taught
        return updated

    def patch_log_probs(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probs (n, C) of points (n, E) among the taught classes, and familiarity (n,)."""
        logits, familiarity = self.patch_expert.logits(points, self.class_of_label >= 0)
        logits = to_classes(
            logits, self.class_of_label, self.patch_expert.is_taught, self.n_classes
        )
        return logits.log_softmax(dim=1), familiarity


def to_classes(
    label_logits: Tensor, class_of_label: Tensor, is_taught: Tensor, n_classes: int
) -> Tensor:
    """Logits (n, C) of label logits (n, L): the best label of each class, UNKNOWN_LOGIT without."""
    logits = label_logits.new_full((len(label_logits), n_classes), UNKNOWN_LOGIT)
    labels = (class_of_label >= 0) & is_taught
    index = class_of_label[labels].expand(len(label_logits), -1)
    return logits.scatter_reduce(1, index, label_logits[:, labels], "amax", include_self=False)


def sum_by_class(label_probs: Tensor, class_of_label: Tensor, n_classes: int) -> Tensor:
    """Probs (n, C) of label probs (n, L)."""
    probs = label_probs.new_zeros(len(label_probs), n_classes)
    labels = class_of_label >= 0
    index = class_of_label[labels].expand(len(label_probs), -1)
    return probs.scatter_add(1, index, label_probs[:, labels])


def normalized(probs: Tensor) -> Tensor:
    """Rows (n, C) clipped to at least 1e-6 and divided by their sums."""
    probs = probs.clamp_min(1e-6)
    return probs / probs.sum(dim=1, keepdim=True)


def taught_classes(blend: Blend | None, n_classes: int) -> Tensor:
    """(C,) bool: the classes that lessons know; none of them without lessons."""
    return torch.zeros(n_classes, dtype=torch.bool) if blend is None else blend.is_taught
