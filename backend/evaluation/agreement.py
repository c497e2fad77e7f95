"""How well predicted masks agree with those that people drew, in counts that add up over images."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from backend.evaluation.contours import contour, grow, tolerance_px
from backend.evaluation.pieces import pieces_to_fix


@dataclass(frozen=True)
class Agreement:
    """Of the masks of one label in a number of images. A measure is None where nothing bears it."""

    images: int = 0
    common_px: int = 0
    missed_px: int = 0  # drawn, but not predicted
    excess_px: int = 0  # predicted, but not drawn
    drawn_contour_px: int = 0
    drawn_contour_met_px: int = 0  # the predicted contour passes within the tolerance
    predicted_contour_px: int = 0
    predicted_contour_met_px: int = 0
    pieces: int = 0  # to fix

    def __add__(self, other: "Agreement") -> "Agreement":
        names = [field.name for field in fields(self)]
        return Agreement(*(getattr(self, name) + getattr(other, name) for name in names))

    @property
    def iou(self) -> float | None:
        return _share(self.common_px, self.common_px + self.missed_px + self.excess_px)

    @property
    def precision(self) -> float | None:
        return _share(self.common_px, self.common_px + self.excess_px)

    @property
    def recall(self) -> float | None:
        return _share(self.common_px, self.common_px + self.missed_px)

    @property
    def boundary(self) -> float | None:
        """F-score of the contours (Csurka et al. 2013)."""
        precision = _share(self.predicted_contour_met_px, self.predicted_contour_px)
        recall = _share(self.drawn_contour_met_px, self.drawn_contour_px)
        if precision is None and recall is None:
            return None
        if not precision or not recall:
            return 0.0
        return 2 * precision * recall / (precision + recall)


MEASURES = ("iou", "precision", "recall", "boundary")
Agreements = Mapping[str, Agreement]  # by label


def compare_masks(drawn: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> Agreement:
    """The agreement of a person's mask and a predicted one of the same label, (H, W) bool each."""
    height, width = drawn.shape
    reach_px = tolerance_px((height, width))
    drawn_contour, predicted_contour = contour(drawn), contour(predicted)
    return Agreement(
        images=1,
        common_px=_count(drawn & predicted),
        missed_px=_count(drawn & ~predicted),
        excess_px=_count(predicted & ~drawn),
        drawn_contour_px=_count(drawn_contour),
        drawn_contour_met_px=_count(drawn_contour & grow(predicted_contour, reach_px)),
        predicted_contour_px=_count(predicted_contour),
        predicted_contour_met_px=_count(predicted_contour & grow(drawn_contour, reach_px)),
        pieces=pieces_to_fix(drawn, predicted),
    )


def pooled(parts: Iterable[Agreements]) -> dict[str, Agreement]:
    """By label, over all images; in the order in which labels first come."""
    total: dict[str, Agreement] = {}
    for part in parts:
        for label, agreement in part.items():
            total[label] = total.get(label, Agreement()) + agreement
    return total


def mean_over_labels(agreements: Agreements, measure: str) -> float | None:
    """Mean of one of MEASURES over the labels that bear it; of "iou" it is the mIoU."""
    values = [getattr(one, measure) for one in agreements.values()]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _count(mask: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(mask))
