"""Three experts in one answer: words, and patches and pixels as the lessons teach them.

Shapes: C classes of a vocabulary with the background last, L labels of the lessons with the
background last, E channels, h, w patches, y, x working pixels, n points.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.memory.judge import EXCLUDED_LOGIT, ExpertWeights
from model.memory.patch_expert import PatchExpert
from model.memory.pixel_expert import PixelExpert, log_probs
from model.memory.pixel_features import N_FEATURES, pixel_features, working_image

MIN_PIXEL_SHARE = 0.05  # of the decision, for which pixels are looked at
UNKNOWN_LOGIT = -20.0  # of a class without lessons, below any other
ROWS_AT_ONCE = 64  # of working pixels, which bounds the memory


@dataclass(frozen=True, eq=False)
class Blend:
    """The experts of a memory, and how far to believe them for one vocabulary."""

    patch_expert: PatchExpert
    pixel_expert: PixelExpert | None
    class_of_label: Tensor  # (L,): the class of each label, -1 for none
    n_classes: int  # C
    weights: ExpertWeights

    @property
    def is_taught(self) -> Tensor:
        """(C,) bool: the classes of which the lessons know something."""
        of_labels = self.class_of_label[self.patch_expert.is_taught]
        return torch.bincount(of_labels[of_labels >= 0], minlength=self.n_classes) > 0

    @property
    def sees_pixels(self) -> bool:
        return self.pixel_expert is not None and self.weights.pixel_share > MIN_PIXEL_SHARE

    def at_patches(self, word_probs: Tensor, patch_tokens: Tensor) -> Tensor:
        """Class probs (C, h, w) by words, updated by what patches (E, h, w) say."""
        points = F.normalize(patch_tokens.flatten(1).T, dim=1)  # (h * w, E)
        words = normalized(word_probs.flatten(1).T)  # (h * w, C)
        patches, familiarity = self.patch_log_probs(points)
        logits = self.weights.words * words.log() + self.weights.patches * patches
        taught = logits.masked_fill(~self.is_taught, EXCLUDED_LOGIT).softmax(dim=1)
        # Where many keys are near, the probs of untaught classes shrink in favor of the taught.
        untaught = words * ~self.is_taught * (1 - familiarity)[:, None] * self.weights.untaught
        blended = untaught + (1 - untaught.sum(dim=1, keepdim=True)) * taught
        return normalized(blended).T.reshape(word_probs.shape)

    def at_pixels(self, probs: Tensor, classes: Tensor, image: NDArray[np.uint8]) -> Tensor:
        """Probs (k, y, x) of the `classes` (k,) at working pixels: those at patches (k, h, w), by
        words and patches, updated by what the pixels of the RGB image (H, W, 3) say."""
        if self.pixel_expert is None:
            return probs
        expert = self.pixel_expert
        working = working_image(image)
        size_hw = (working.shape[0], working.shape[1])
        features = pixel_features(working)
        is_taught = self.is_taught[classes][:, None, None]
        log_prior = F.interpolate(probs.clamp_min(1e-6).log()[None], size=size_hw, mode="bilinear")[
            0
        ]
        for rows in row_bands(size_hw[0]):
            prior = log_prior[:, rows].softmax(dim=0)
            pixels = self._log_probs(expert.probs(features[rows].reshape(-1, N_FEATURES)))[
                :, classes
            ]
            pixels = pixels.T.reshape(prior.shape)
            logits = log_prior[:, rows] + self.weights.pixels * pixels
            untaught = prior * ~is_taught
            taught = logits.masked_fill(~is_taught, EXCLUDED_LOGIT).softmax(dim=0)
            log_prior[:, rows] = untaught + (1 - untaught.sum(dim=0)) * taught
        return log_prior

    def patch_log_probs(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probs (n, C) of points (n, E) among the taught classes, and familiarity (n,)."""
        logits, familiarity = self.patch_expert.logits(points, self.class_of_label >= 0)
        logits = to_classes(
            logits, self.class_of_label, self.patch_expert.is_taught, self.n_classes
        )
        return logits.log_softmax(dim=1), familiarity

    def _log_probs(self, label_probs: Tensor) -> Tensor:
        """Log-probs (n, C) of what the pixel expert says of the labels (n, L)."""
        return log_probs(sum_by_class(label_probs, self.class_of_label, self.n_classes))


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


def row_bands(height_px: int) -> Iterator[slice]:
    for top in range(0, height_px, ROWS_AT_ONCE):
        yield slice(top, min(top + ROWS_AT_ONCE, height_px))
