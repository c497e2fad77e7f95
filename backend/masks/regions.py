"""Converts masks to result items of each kind of control, and result items to masks."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import RequestError
from backend.label_studio.controls import Control, LabelSpec
from backend.masks.bitmask_png import decode_bitmask, encode_bitmask
from backend.masks.brush_rle import MAX_MASK_PIXELS, decode_mask, encode_mask
from backend.masks.polygons import mask_to_polygons, polygon_to_mask
from backend.masks.shapes import (
    COORDINATE_DIGITS,
    ellipse_around,
    ellipse_corners,
    parse_numbers,
    rectangle_around,
    rectangle_corners,
)

Part = dict[
    str, Any
]  # keys of a result item that depend on its control: id, from_name, type, value

# Label Studio's SDK 2.1 knows a Brush beside a Labels, but takes labels beside a MagicWand for
# those of a span of text, and refuses them without one. The editor ignores it.
EMPTY_SPAN = {"start": 0, "end": 0}


def encode_regions(
    control: Control,
    label: LabelSpec,
    mask: NDArray[np.bool_],
    score: float,
    *,
    region_id: str,
    item_index: int | None = None,
) -> list[dict[str, Any]]:
    """Result items for a label's bool mask (H, W); none for an empty mask.

    One item; for Labels with a Brush two with the same id; for polygons one for each part, the
    largest with `region_id`, the others with `region_id-1`, `region_id-2`, and so on. A rectangle
    or ellipse is around all of the mask: give it one connected part. `item_index` is the page of a
    valueList. Every item has the score, clamped to 0..1.

    A polygon's points are an array (N, 2) of percents, which orjson.OPT_SERIALIZE_NUMPY writes: as
    lists they make a task with frayed masks a third slower (benchmarks.serving).
    """
    if not mask.any():
        return []
    if math.isnan(score):
        raise ValueError(f"the score of {label.name!r} is not a number")
    height_px, width_px = mask.shape
    shared = {
        "to_name": control.to_name,
        "original_width": width_px,
        "original_height": height_px,
        "image_rotation": 0,
        "score": round(min(max(float(score), 0.0), 1.0), 4),
    }
    if item_index is not None:
        shared["item_index"] = item_index
    return [{**part, **shared} for part in ENCODERS[control.kind](control, label, mask, region_id)]


def _brush_parts(
    control: Control, label: LabelSpec, mask: NDArray[np.bool_], region_id: str
) -> list[Part]:
    value = {"format": "rle", "rle": encode_mask(mask), "brushlabels": [label.name]}
    return [_part(region_id, control.from_name, "brushlabels", value)]


def _labels_and_brush_parts(
    control: Control, label: LabelSpec, mask: NDArray[np.bool_], region_id: str
) -> list[Part]:
    stroke = {"format": "rle", "rle": encode_mask(mask)}
    span = EMPTY_SPAN if control.brush_type == "magicwand" else {}
    with_labels = {**stroke, "labels": [label.name], **span}
    return [
        _part(region_id, control.brush_name, control.brush_type, stroke),
        _part(region_id, control.from_name, "labels", with_labels),
    ]


def _bitmask_parts(
    control: Control, label: LabelSpec, mask: NDArray[np.bool_], region_id: str
) -> list[Part]:
    value = {"imageDataURL": encode_bitmask(mask), "bitmasklabels": [label.name]}
    return [_part(region_id, control.from_name, "bitmasklabels", value)]


def _polygon_parts(
    control: Control, label: LabelSpec, mask: NDArray[np.bool_], region_id: str
) -> list[Part]:
    percent = 100 / np.array(mask.shape[::-1])
    parts = []
    for index, polygon in enumerate(mask_to_polygons(mask)):
        points = np.round(polygon * percent, COORDINATE_DIGITS)
        value = {"points": points, "closed": True, "polygonlabels": [label.name]}
        part_id = f"{region_id}-{index}" if index else region_id
        parts.append(_part(part_id, control.from_name, "polygonlabels", value))
    return parts


def _rectangle_parts(
    control: Control, label: LabelSpec, mask: NDArray[np.bool_], region_id: str
) -> list[Part]:
    value = {**rectangle_around(mask), "rectanglelabels": [label.name]}
    return [_part(region_id, control.from_name, "rectanglelabels", value)]


def _ellipse_parts(
    control: Control, label: LabelSpec, mask: NDArray[np.bool_], region_id: str
) -> list[Part]:
    value = {**ellipse_around(mask), "ellipselabels": [label.name]}
    return [_part(region_id, control.from_name, "ellipselabels", value)]


def _part(region_id: str, from_name: str | None, kind: str | None, value: Part) -> Part:
    return {"id": region_id, "from_name": from_name, "type": kind, "value": value}


ENCODERS: dict[str, Callable[[Control, LabelSpec, NDArray[np.bool_], str], list[Part]]] = {
    "brushlabels": _brush_parts,
    "labels+brush": _labels_and_brush_parts,
    "bitmasklabels": _bitmask_parts,
    "polygonlabels": _polygon_parts,
    "rectanglelabels": _rectangle_parts,
    "ellipselabels": _ellipse_parts,
}


def decode_region(
    item: Mapping[str, Any], image_hw: tuple[int, int] | None = None
) -> NDArray[np.bool_]:
    """The bool mask (H, W) of a result item.

    Raises RequestError for an item without area (a key point, a choice), for an invalid one, and
    before anything is drawn for one of an image of another size than `image_hw`.
    """
    kind = item.get("type") if isinstance(item, Mapping) else None
    value = item.get("value") if isinstance(item, Mapping) else None
    if not isinstance(value, Mapping):
        raise RequestError(f"A region needs a value, an object: {kind!r} has {value!r:.100}")
    height_px, width_px = _image_hw(item)
    if image_hw not in (None, (height_px, width_px)):
        raise RequestError(
            f"It is of an image of {width_px} x {height_px} pixels, but the task's has "
            f"{image_hw[1]} x {image_hw[0]}."
        )
    # By the value's keys, since any geometry beside a <Labels> has the type "labels".
    for keys, decode in DECODERS.items():
        if all(key in value for key in keys):
            return decode(value, height_px, width_px)
    raise RequestError(
        f"A region of type {kind!r} covers no area: its value has {', '.join(map(str, value))}"[
            :300
        ]
        + f". Needed is one of {', '.join('+'.join(keys) for keys in DECODERS)}"
    )


def _image_hw(item: Mapping[str, Any]) -> tuple[int, int]:
    height_px, width_px = map(_whole_px, (item.get("original_height"), item.get("original_width")))
    if height_px is None or width_px is None:
        raise RequestError(
            "A region needs original_width and original_height in whole pixels, not "
            f"{item.get('original_width')!r:.40} and {item.get('original_height')!r:.40}"
        )
    if height_px * width_px > MAX_MASK_PIXELS:
        raise RequestError(
            f"A region of an image of {width_px} x {height_px} pixels is too large: "
            f"{MAX_MASK_PIXELS} pixels at most"
        )
    return height_px, width_px


def _whole_px(raw: Any) -> int | None:
    """A length in whole pixels, 320.0 as well as 320; None for anything else."""
    is_number = isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw)
    return int(raw) if is_number and raw >= 1 and raw == int(raw) else None


def _decode_rle(value: Mapping[str, Any], height_px: int, width_px: int) -> NDArray[np.bool_]:
    return decode_mask(value["rle"], height_px=height_px, width_px=width_px)


def _decode_bitmask(value: Mapping[str, Any], height_px: int, width_px: int) -> NDArray[np.bool_]:
    return decode_bitmask(value["imageDataURL"], height_px=height_px, width_px=width_px)


def _decode_polygon(value: Mapping[str, Any], height_px: int, width_px: int) -> NDArray[np.bool_]:
    points = parse_numbers(value["points"])
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise RequestError(f"A polygon needs three or more points of x and y, not {points.shape}")
    return _fill(points * (width_px / 100, height_px / 100), height_px, width_px)


def _decode_ellipse(value: Mapping[str, Any], height_px: int, width_px: int) -> NDArray[np.bool_]:
    return _fill(ellipse_corners(value, height_px, width_px), height_px, width_px)


def _decode_rectangle(value: Mapping[str, Any], height_px: int, width_px: int) -> NDArray[np.bool_]:
    return _fill(rectangle_corners(value, height_px, width_px), height_px, width_px)


DECODERS: dict[tuple[str, ...], Callable[[Mapping[str, Any], int, int], NDArray[np.bool_]]] = {
    ("rle",): _decode_rle,
    ("imageDataURL",): _decode_bitmask,
    ("points",): _decode_polygon,
    ("x", "y", "radiusX", "radiusY"): _decode_ellipse,
    ("x", "y", "width", "height"): _decode_rectangle,
}


def _fill(points: NDArray[np.float64], height_px: int, width_px: int) -> NDArray[np.bool_]:
    try:
        return polygon_to_mask(points, height_px=height_px, width_px=width_px)
    except ValueError as error:
        raise RequestError(f"The outline of the region cannot be filled: {error}") from error
