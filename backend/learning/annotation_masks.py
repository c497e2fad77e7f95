"""The masks of one image in an annotation, by label, as training targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import RequestError
from backend.label_studio.controls import Control, LabelSpec
from backend.label_studio.webhook_events import Annotation
from backend.masks.regions import decode_region
from model import TaughtMask

Masks = dict[str, NDArray[np.bool_]]  # (H, W) by label

# Keys of a region's value that hold its labels.
LABEL_KEYS = (
    "brushlabels", "bitmasklabels", "polygonlabels", "labels", "rectanglelabels", "ellipselabels",
    "keypointlabels",
)  # fmt: skip
DRAWN_KEYS = ("rle", "imageDataURL", "points")  # of masks and polygons
COARSE_KEYS = ("width", "radiusX")  # of rectangles and ellipses, which also cover what is around
MAX_MASK_BYTES = 2**31  # of one image in memory, a byte for each label and pixel
WEAK_WEIGHT = 0.3  # of coarse regions and of bulk annotations that nobody checked; a heuristic


@dataclass(frozen=True)
class Drawing:
    """One drawn region, whether its mask can be read or not."""

    id: str
    from_name: str
    labels: tuple[str, ...]
    is_unchanged: bool  # still as predicted

    @staticmethod
    def of(item: Mapping[str, Any], labels: Sequence[str]) -> "Drawing":
        is_unchanged = item.get("origin") == "prediction"
        return Drawing(str(item.get("id")), str(item.get("from_name")), tuple(labels), is_unchanged)


@dataclass
class LabeledRegions:
    """The regions of an annotation on one image, joined by label."""

    drawn: Masks = field(default_factory=dict)
    coarse: Masks = field(default_factory=dict)
    drawings: list[Drawing] = field(default_factory=list)
    prompted: set[str] = field(default_factory=set)  # labels of positive key points
    is_unchanged: dict[str, list[bool]] = field(default_factory=dict)  # each still as predicted?
    damaged: dict[str, str] = field(default_factory=dict)  # label -> why a region is left out

    def check_room(self, labels: Sequence[str], image_hw: tuple[int, int]) -> None:
        """Raise RequestError if masks of these labels, too, are more than MAX_MASK_BYTES."""
        n_masks = len(self.drawn) + len(self.coarse) + len({*labels} - self.drawn.keys())
        if n_masks * image_hw[0] * image_hw[1] > MAX_MASK_BYTES:
            raise RequestError(
                f"{n_masks} labels on an image of {image_hw[1]} x {image_hw[0]} pixels take more "
                f"than the {MAX_MASK_BYTES / 2**20:.0f} MB for masks: shrink such images."
            )

    def add(self, label: str, mask: NDArray[np.bool_], item: Mapping[str, Any]) -> None:
        masks = self.drawn if _has_any(item["value"], DRAWN_KEYS) else self.coarse
        masks[label] = masks[label] | mask if label in masks else mask
        self.is_unchanged.setdefault(label, []).append(item.get("origin") == "prediction")


def labeled_regions(
    annotation: Annotation,
    control: Control,
    labels: Sequence[LabelSpec],
    page: int,
    image_hw: tuple[int, int],
) -> LabeledRegions:
    """The regions on one page of the control's image; damaged ones cost no other.

    Regions of every control on the image count, if their label is one of `labels`.
    """
    regions = LabeledRegions()
    for item in annotation.result:
        if not _is_on_page(item, control, page):
            continue
        found = _label_words(item["value"], labels)
        if _is_key_point(item["value"]):
            if item.get("is_positive") is not False:  # drafts lose it; see smart_prompts
                regions.prompted.update(found)
            continue
        if not found or not _has_any(item["value"], (*DRAWN_KEYS, *COARSE_KEYS)):
            continue
        if _has_any(item["value"], DRAWN_KEYS):
            regions.drawings.append(Drawing.of(item, found))
        try:
            regions.check_room(found, image_hw)
            mask = decode_region(item, image_hw)
        except RequestError as error:
            regions.damaged |= dict.fromkeys(found, f"region {item.get('id')!r:.40}: {error}")
            continue
        for label in found:
            regions.add(label, mask, item)
    return regions


def taught_masks(
    annotation: Annotation,
    regions: LabeledRegions,
    predicted: Mapping[str, NDArray[np.bool_]] | None = None,
) -> list[TaughtMask] | None:
    """What the regions on one image teach; None if the annotation has no information on it.

    `predicted`: the earlier prediction's masks by label, if they are known. A predicted label
    without any region left gets an empty mask, since its prediction was wrong. A label of a
    damaged region is not compared with its prediction, and never taken for deleted. Nor is one that
    has but positive key points: somebody says that it is there, and did not accept the answer.
    Where such labels were predicted, nothing is known: neither they nor the background.
    """
    drawn, coarse = regions.drawn, regions.coarse
    undecided = (regions.damaged.keys() | regions.prompted) - drawn.keys() - coarse.keys()
    if not drawn and not coarse:
        is_about_others = not annotation.from_prediction and annotation.result  # such as choices
        if regions.damaged or is_about_others:
            return None
    weight = WEAK_WEIGHT if annotation.is_bulk else 1.0
    found = [(label, mask, weight) for label, mask in drawn.items()]
    found += [
        (label, mask, WEAK_WEIGHT * weight) for label, mask in coarse.items() if label not in drawn
    ]
    baseline = predicted or {
        label: drawn[label] for label in drawn if all(regions.is_unchanged[label])
    }
    if predicted is not None:
        known = {*drawn, *coarse, *undecided}
        empty = [(label, np.zeros_like(mask)) for label, mask in predicted.items()]
        found += [(label, mask, weight) for label, mask in empty if label not in known]
        baseline = {
            label: predicted[label] if label in predicted else np.zeros_like(mask)
            for label, mask, _ in found
        }
    if undecided and not found:
        return None
    unknown = [(label, predicted[label]) for label in undecided if predicted and label in predicted]
    return [
        TaughtMask(label, mask, None if label in regions.damaged else baseline.get(label), weight)
        for label, mask, weight in found
    ] + [TaughtMask(label, mask, mask, weight=0.0) for label, mask in unknown]


def has_information(annotation: Annotation, control: Control, page: int) -> bool:
    """Whether the annotation may say something of this page, so that its image is needed."""
    says_what_is_absent = annotation.from_prediction or not annotation.result
    return says_what_is_absent or any(_is_on_page(one, control, page) for one in annotation.result)


def _has_any(value: Mapping[str, Any], keys: Sequence[str]) -> bool:
    return any(key in value for key in keys)


def _is_key_point(value: Mapping[str, Any]) -> bool:
    """Beside a <Labels> it is told by its value, which has a width, but no height."""
    has_area = _has_any(value, ("height", "radiusX", *DRAWN_KEYS))
    return "keypointlabels" in value or ("x" in value and not has_area)


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
