"""Which of the regions that the model found a prediction shows."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.label_studio.controls import Control, LabelSpec
from backend.label_studio.project_settings import ProjectSettings
from backend.masks.parts import connected_parts
from model import Segmentation


@dataclass(frozen=True)
class ShownRegion:
    """A label's mask, or a connected part of it."""

    label_index: int
    part: str  # its name; "" for all of the label
    mask: NDArray[np.bool_]  # (H, W)
    score: float  # 0..1, its expected IoU


def shown_regions(
    found: Segmentation,
    control: Control,
    labels: Sequence[LabelSpec],
    settings: ProjectSettings,
) -> Iterator[ShownRegion]:
    """The regions that are neither too small nor expected to be too bad, label by label, one at a
    time: the masks of all parts of a large image would not fit in memory.

    Rectangles and ellipses are always of parts: around all of a label they would say nothing.
    """
    min_px = max(settings.min_region_px, 1)
    for index, _, mask, score in found.non_empty():
        min_score = min_score_for(control, labels[index], settings)
        if settings.regions == "label" and not control.draws_boxes:
            if np.count_nonzero(mask) >= min_px and score >= min_score:
                yield ShownRegion(index, "", mask, score)
            continue
        for part in connected_parts(mask, min_px):
            part_score = found.part_score(index, part.mask)
            if part_score >= min_score:
                yield ShownRegion(index, part.name, part.mask, part_score)


def min_score_for(control: Control, label: LabelSpec, settings: ProjectSettings) -> float:
    """The threshold of the label, else of its control, else of the project."""
    for min_score in (label.min_score, control.min_score):
        if min_score is not None:
            return min_score
    return settings.min_score


def left_out_labels(found: Segmentation, shown: Collection[int]) -> list[str]:
    """Name and score of each label that was found, and whose index is not among the shown ones."""
    scores = enumerate(zip(found.class_names, found.scores, strict=True))
    return [f"{name} {score:.2f}" for n, (name, score) in scores if score and n not in shown]
