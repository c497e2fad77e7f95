"""Compares an annotation's regions with those that were shown for the same control and page."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from backend.label_studio.webhook_events import Annotation
from backend.learning.annotation_masks import LabeledRegions, Masks
from backend.memory.agreement import Agreement
from backend.memory.predicted_masks import PredictedPage


def compare_with_shown(
    annotation: Annotation, regions: LabeledRegions, shown: PredictedPage | None, from_name: str
) -> Agreement | None:
    """How far the regions of the control `from_name` agree with what was shown on their page.

    None where that is unknown, and for a bulk annotation, which nobody checked. Left out are labels
    whose masks are not known: those of rectangles, ellipses, prompts and damaged regions alone.
    """
    if shown is None or shown.shown_by is None or annotation.is_bulk:
        return None
    drawn, predicted = regions.drawn, shown.masks
    unclear = {*regions.damaged, *(regions.coarse.keys() | regions.prompted) - drawn.keys()}
    labels = (drawn.keys() | predicted.keys()) - unclear
    ious = {label: _iou(label, drawn, predicted) for label in labels}
    found = {one.id: one for one in regions.drawings}
    kept = {
        id
        for id, label in shown.regions.items()
        if id in found
        and label in found[id].labels
        and (found[id].is_unchanged or ious.get(label) == 1.0)
    }
    for label in labels:  # the label map has outlines that polygons only come near to
        of_label = {one.id for one in regions.drawings if label in one.labels}
        if of_label and of_label == {id for id, name in shown.regions.items() if name == label}:
            ious[label] = 1.0 if of_label <= kept else ious[label]
    present = shown.regions.keys() & found.keys()
    was_seen = annotation.from_prediction or present
    new = [one for one in regions.drawings if one.id not in shown.regions]
    return Agreement(
        shown.shown_by,
        labels=len(ious),
        iou_sum=sum(ious.values()),
        kept=len(kept),
        changed=len(present - kept),
        deleted=len(shown.regions.keys() - present) if was_seen else 0,
        added=sum(one.from_name == from_name for one in new),
    )


def _iou(label: str, drawn: Masks, predicted: Mapping[str, NDArray[np.bool_]]) -> float:
    """Intersection over union, 0 if one of the two has no such label."""
    if label not in drawn or label not in predicted:
        return 0.0
    both: NDArray[np.bool_] = drawn[label] & predicted[label]
    return np.count_nonzero(both) / max(np.count_nonzero(drawn[label] | predicted[label]), 1)
