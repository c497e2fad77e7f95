"""Compares an annotation's regions with those that were shown for the same control and page."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from backend.label_studio.webhook_events import Annotation
from backend.learning.annotation_masks import Drawing, LabeledRegions, Masks
from backend.memory.agreement import Agreement
from backend.memory.predicted_masks import PredictedPage


def compare_with_shown(
    annotation: Annotation, regions: LabeledRegions, shown: PredictedPage | None, from_name: str
) -> Agreement | None:
    """How far the regions of the control `from_name` agree with what was shown on their page.

    None where that is unknown, for a bulk annotation, which nobody checked, and for one that was
    read later, which may be older than what was shown. Left out are labels whose masks are not
    known: those of rectangles, ellipses, prompts and damaged regions alone.
    """
    is_answer = not (annotation.is_bulk or annotation.was_read_later)
    if shown is None or shown.shown_by is None or not is_answer:
        return None
    drawn, by_id = regions.drawn, {one.id: one for one in regions.drawings}
    unclear = {*regions.damaged, *(regions.coarse.keys() | regions.prompted) - drawn.keys()}
    labels = (drawn.keys() | shown.masks.keys()) - unclear
    ious = {label: _iou(label, drawn, shown.masks) for label in labels}
    present = shown.regions.keys() & by_id.keys()
    kept = {id for id in present if _is_kept(by_id[id], shown.regions[id], ious)}
    for label in labels:
        # Kept polygons agree in full, though they only come near the mask that they were made of.
        of_label = {one.id for one in regions.drawings if label in one.labels}
        if of_label <= kept and of_label == _ids_of(label, shown):
            ious[label] = 1.0
    # Who drew without the prediction has deleted nothing of it.
    was_seen = annotation.from_prediction or bool(present)
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


def _is_kept(drawing: Drawing, shown_label: str, ious: Mapping[str, float]) -> bool:
    """Whether a region that was shown is as it was; not every client says so by its origin."""
    is_same = drawing.is_unchanged or ious.get(shown_label) == 1.0
    return shown_label in drawing.labels and is_same


def _ids_of(label: str, shown: PredictedPage) -> set[str]:
    return {id for id, of_region in shown.regions.items() if of_region == label}


def _iou(label: str, drawn: Masks, predicted: Mapping[str, NDArray[np.bool_]]) -> float:
    """Intersection over union, 0 if one of the two has no such label."""
    if label not in drawn or label not in predicted:
        return 0.0
    both: NDArray[np.bool_] = drawn[label] & predicted[label]
    either: NDArray[np.bool_] = drawn[label] | predicted[label]
    # A number of NumPy's own, as count_nonzero gives since 2.4, cannot be stored as JSON.
    return float(np.count_nonzero(both) / max(np.count_nonzero(either), 1))
