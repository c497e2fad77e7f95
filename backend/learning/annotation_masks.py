"""The masks of one image in an annotation, by label, as training targets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import RequestError
from backend.label_studio.controls import Control, LabelSpec
from backend.label_studio.webhook_events import Annotation
from backend.masks.regions import decode_region
from model import TaughtMask

# Keys of a region's value that hold its labels.
LABEL_KEYS = (
    "brushlabels", "bitmasklabels", "polygonlabels", "labels", "rectanglelabels", "ellipselabels",
)  # fmt: skip
DRAWN_KEYS = ("rle", "imageDataURL", "points")  # of masks and polygons
COARSE_KEYS = ("width", "radiusX")  # of rectangles and ellipses, which also cover what is around
WEAK_WEIGHT = 0.3  # of coarse regions and of bulk annotations that nobody checked; a heuristic


def taught_masks(
    annotation: Annotation,
    control: Control,
    labels: Sequence[LabelSpec],
    page: int,
    image_hw: tuple[int, int],
    predicted: Mapping[str, NDArray[np.bool_]] | None = None,
) -> list[TaughtMask] | None:
    """Masks (H, W) by label for one image; None if the annotation has no information on it.

    `predicted`: the earlier prediction's masks by label, if they are known. A predicted label
    without any region left gets an empty mask, since its prediction was wrong. Regions of every
    control on the image count, if their label is one of `labels`. Raises RequestError for an
    invalid region.
    """
    if predicted is not None and any(mask.shape != image_hw for mask in predicted.values()):
        predicted = None  # of an earlier file under the same address
    drawn: dict[str, NDArray[np.bool_]] = {}
    coarse: dict[str, NDArray[np.bool_]] = {}
    is_unchanged: dict[str, list[bool]] = {}  # label -> for each region: still as predicted?
    for item in annotation.result:
        if not _is_on_page(item, control, page):
            continue
        value = item["value"]
        is_drawn = any(key in value for key in DRAWN_KEYS)
        if "keypointlabels" in value or not (is_drawn or any(key in value for key in COARSE_KEYS)):
            continue
        masks = drawn if is_drawn else coarse
        for label in _label_words(value, labels):
            mask = _decode_mask(item, image_hw)
            masks[label] = masks[label] | mask if label in masks else mask
            is_unchanged.setdefault(label, []).append(item.get("origin") == "prediction")
    if not drawn and not coarse and not annotation.from_prediction and annotation.result:
        return None  # only results of other kinds, such as choices
    baseline = predicted or {label: drawn[label] for label in drawn if all(is_unchanged[label])}
    weight = WEAK_WEIGHT if annotation.is_bulk else 1.0
    found = [(label, mask, weight) for label, mask in drawn.items()]
    found += [
        (label, mask, WEAK_WEIGHT * weight) for label, mask in coarse.items() if label not in drawn
    ]
    if predicted is not None:
        empty = np.zeros(image_hw, dtype=bool)
        deleted = [label for label in predicted if label not in drawn and label not in coarse]
        found += [(label, empty, weight) for label in deleted]
        baseline = {label: predicted.get(label, empty) for label, _, _ in found}
    return [TaughtMask(label, mask, baseline.get(label), weight) for label, mask, weight in found]


def _is_on_page(item: Mapping[str, Any], control: Control, page: int) -> bool:
    return (
        isinstance(item.get("value"), Mapping)
        and item.get("to_name") == control.to_name
        and (item.get("item_index") or 0) == page
    )


def _label_words(value: Mapping[str, Any], labels: Sequence[LabelSpec]) -> list[str]:
    """The `value`s of those of this control's labels that a region has, by alias or value."""
    words = {label.value: label.value for label in labels}
    words |= {label.name: label.value for label in labels}
    names: list[Any] = next(
        (value[key] for key in LABEL_KEYS if isinstance(value.get(key), list)), []
    )
    return [words[name] for name in names if isinstance(name, str) and name in words]


def _decode_mask(item: Mapping[str, Any], image_hw: tuple[int, int]) -> NDArray[np.bool_]:
    mask = decode_region(item)
    if mask.shape != image_hw:
        raise RequestError(
            f"Region {item.get('id')!r} is of an image of {mask.shape[1]} x {mask.shape[0]} "
            f"pixels, but the task's has {image_hw[1]} x {image_hw[0]}."
        )
    return mask
