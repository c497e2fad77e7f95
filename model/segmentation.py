"""What the method answers for one image.

Shapes: K classes, H, W pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from model.scoring.expected_iou import RegionEvidence
from model.text.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Segmentation:
    """At most one class a pixel, at full resolution."""

    class_names: tuple[str, ...]  # K, the vocabulary's order
    label_map: NDArray[np.int16]  # (H, W) int16: class index, -1 for none
    scores: NDArray[np.float32]  # (K,) float32 in 0..1: expected IoU of the mask; 0 where empty
    evidence: RegionEvidence | None = None  # None: of an image without any mask

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Where class `index` is, (H, W) bool."""
        return np.equal(self.label_map, index)

    def part_score(self, index: int, part: NDArray[np.bool_]) -> float:
        """The expected IoU, 0..1, of a part (H, W) of class `index`."""
        if self.evidence is None:
            return 0.0
        return self.evidence.expected_iou(index, part, self.mask(index))

    def non_empty(self) -> Iterator[tuple[int, str, NDArray[np.bool_], float]]:
        """(index, name, mask (H, W), score) of each class that is in the image."""
        for index in np.flatnonzero(self.scores):
            score = float(self.scores[index])
            yield int(index), self.class_names[index], self.mask(int(index)), score


def label_scores(
    label_map: NDArray[np.int16], is_left: Tensor, evidence: RegionEvidence
) -> NDArray[np.float32]:
    """The expected IoU (K,) of each class of a label map (H, W) that is left, (K,) bool, else 0."""
    scores = np.zeros(len(is_left), dtype=np.float32)
    for index in is_left.nonzero()[:, 0].tolist():
        scores[index] = evidence.expected_iou(index, np.equal(label_map, index))
    return scores


def empty_segmentation(vocabulary: Vocabulary, image_hw: tuple[int, int]) -> Segmentation:
    """No class anywhere in an image of this size."""
    return Segmentation(
        vocabulary.names,
        np.full(image_hw, -1, dtype=np.int16),
        np.zeros(len(vocabulary.classes), dtype=np.float32),
    )
