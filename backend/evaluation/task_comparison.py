"""What people made of a task, beside what is predicted for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backend.evaluation.agreement import Agreement, Agreements, compare_masks, pooled
from backend.label_studio.webhook_events import Annotation
from backend.learning.annotation_masks import Masks, labeled_regions, taught_masks
from backend.prediction.task_targets import MaskTarget


@dataclass(frozen=True)
class DrawnMasks:
    """A person's masks of one image, by label; an empty mask where a label is not drawn."""

    masks: Masks
    left_out: tuple[str, ...] = ()  # why labels are not among them


@dataclass(frozen=True)
class PageComparison:
    where: str  # `image "photo", page 2`
    image: NDArray[np.uint8]  # RGB (H, W, 3)
    drawn: Masks
    by_words: Masks
    by_lessons: Masks | None  # None: lessons were not used

    def agreement(self, predicted: Masks) -> dict[str, Agreement]:
        return agreement_by_label(self.drawn, predicted)

    @property
    def best_informed(self) -> Masks:
        """What is predicted with lessons, if they were used, else by words alone."""
        return self.by_words if self.by_lessons is None else self.by_lessons


@dataclass
class TaskComparison:
    task_id: object
    pages: list[PageComparison] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # pages and labels, and why

    @property
    def by_words(self) -> Agreements:
        return pooled(page.agreement(page.by_words) for page in self.pages)

    @property
    def by_lessons(self) -> Agreements | None:
        pages = [(page, page.by_lessons) for page in self.pages if page.by_lessons is not None]
        return pooled(page.agreement(masks) for page, masks in pages) if pages else None


def agreement_by_label(drawn: Masks, predicted: Masks) -> dict[str, Agreement]:
    """Of each label that was compared, drawn or not; a label that is not predicted is empty."""
    return {
        label: compare_masks(mask, predicted.get(label, np.zeros_like(mask)))
        for label, mask in drawn.items()
    }


def drawn_masks(
    annotation: Annotation, target: MaskTarget, image_hw: tuple[int, int]
) -> DrawnMasks | None:
    """What the annotation says of each of the target's labels; None if nothing of this image.

    A label with a damaged region is left out, and one with a rectangle or an ellipse, which also
    covers what is around.
    """
    regions = labeled_regions(
        annotation, target.control, target.labels, target.image.page, image_hw
    )
    if taught_masks(annotation, regions) is None:
        return None
    nothing = np.zeros(image_hw, dtype=bool)
    left_out = [f"{label!r} is not compared: {why}" for label, why in regions.damaged.items()]
    left_out += [
        f"{label!r} is not compared: a rectangle or ellipse is no mask of it"
        for label in regions.coarse
    ]
    unknown = {*regions.damaged, *regions.coarse}
    masks = {
        label: regions.drawn.get(label, nothing)
        for label in names_of(target)
        if label not in unknown
    }
    return DrawnMasks(masks, tuple(left_out))


def names_of(target: MaskTarget) -> Sequence[str]:
    """The target's labels as lessons and vocabularies name them."""
    return [label.value for label in target.labels]
