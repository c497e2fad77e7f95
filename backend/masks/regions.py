"""Masks as the result items of each kind of control, and result items as masks."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backend.errors import RequestError
from backend.label_studio.controls import Control, LabelSpec
from backend.masks.bitmask_png import decode_bitmask, encode_bitmask
from backend.masks.brush_rle import MAX_MASK_PIXELS, decode_mask, encode_mask
from backend.masks.polygons import mask_to_polygons, polygon_to_mask

# What makes one result item another's: its type, which tag it is from, its value, its region.
Part = dict[str, Any]

ELLIPSE_CORNERS = 256  # an ellipse is filled as a polygon: 0.01 % of its area is lost
COORDINATE_DIGITS = 4  # of percents: a hundredth of a pixel in images of 10 000


def encode_regions(
    control: Control,
    label: LabelSpec,
    mask: np.ndarray,
    score: float,
    *,
    region_id: str,
    item_index: int | None = None,
) -> list[dict[str, Any]]:
    """The result items that show a label's bool mask (H, W); none for an empty mask.

    One item, or two with one id for Labels with a Brush, or one for each part of a polygon: the
    largest part has `region_id`, the others `region_id-1`, `region_id-2`, and so on. `item_index`
    is the page of a valueList. The score, 0 to 1, stands on every item. A polygon's points are an
    array (N, 2) of percents, which orjson.OPT_SERIALIZE_NUMPY writes: lists, which the garbage
    collector has to look through, make a task with frayed masks a third slower.
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
    control: Control, label: LabelSpec, mask: np.ndarray, region_id: str
) -> list[Part]:
    value = {"format": "rle", "rle": encode_mask(mask), "brushlabels": [label.name]}
    return [_part(region_id, control.from_name, "brushlabels", value)]


def _labelled_brush_parts(
    control: Control, label: LabelSpec, mask: np.ndarray, region_id: str
) -> list[Part]:
    stroke = {"format": "rle", "rle": encode_mask(mask)}
    labelled = {**stroke, "labels": [label.name]}
    return [
        _part(region_id, control.brush_name, control.brush_type, stroke),
        _part(region_id, control.from_name, "labels", labelled),
    ]


def _bitmask_parts(
    control: Control, label: LabelSpec, mask: np.ndarray, region_id: str
) -> list[Part]:
    value = {"imageDataURL": encode_bitmask(mask), "bitmasklabels": [label.name]}
    return [_part(region_id, control.from_name, "bitmasklabels", value)]


def _polygon_parts(
    control: Control, label: LabelSpec, mask: np.ndarray, region_id: str
) -> list[Part]:
    percent = 100 / np.array(mask.shape[::-1])
    parts = []
    for index, polygon in enumerate(mask_to_polygons(mask)):
        points = np.round(polygon * percent, COORDINATE_DIGITS)
        value = {"points": points, "closed": True, "polygonlabels": [label.name]}
        part_id = f"{region_id}-{index}" if index else region_id
        parts.append(_part(part_id, control.from_name, "polygonlabels", value))
    return parts


def _part(region_id: str, from_name: str | None, kind: str | None, value: Part) -> Part:
    return {"id": region_id, "from_name": from_name, "type": kind, "value": value}


ENCODERS: dict[str, Callable[[Control, LabelSpec, np.ndarray, str], list[Part]]] = {
    "brushlabels": _brush_parts,
    "labels+brush": _labelled_brush_parts,
    "bitmasklabels": _bitmask_parts,
    "polygonlabels": _polygon_parts,
}


def decode_region(item: Mapping[str, Any]) -> np.ndarray:
    """The bool mask (H, W) that a result item covers, as a person drew or left it.

    RequestError when the item covers nothing (a key point, a choice) or is damaged.
    """
    kind = item.get("type") if isinstance(item, Mapping) else None
    value = item.get("value") if isinstance(item, Mapping) else None
    if not isinstance(value, Mapping):
        raise RequestError(f"A region needs a value, an object: {kind!r} has {value!r:.100}")
    height_px, width_px = _image_hw(item)
    # The type does not tell: "labels" is the type of whatever geometry stands beside a <Labels>.
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
    height_px, width_px = item.get("original_height"), item.get("original_width")
    if not (
        isinstance(height_px, int) and isinstance(width_px, int) and min(height_px, width_px) > 0
    ):
        raise RequestError(
            "A region needs original_width and original_height in whole pixels, not "
            f"{width_px!r:.40} and {height_px!r:.40}"
        )
    if height_px * width_px > MAX_MASK_PIXELS:
        raise RequestError(
            f"A region of an image of {width_px} x {height_px} pixels is too large: "
            f"{MAX_MASK_PIXELS} pixels at most"
        )
    return height_px, width_px


def _decode_rle(value: Mapping[str, Any], height_px: int, width_px: int) -> np.ndarray:
    return decode_mask(value["rle"], height_px=height_px, width_px=width_px)


def _decode_bitmask(value: Mapping[str, Any], height_px: int, width_px: int) -> np.ndarray:
    return decode_bitmask(value["imageDataURL"], height_px=height_px, width_px=width_px)


def _decode_polygon(value: Mapping[str, Any], height_px: int, width_px: int) -> np.ndarray:
    points = _numbers(value["points"])
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise RequestError(f"A polygon needs three or more points of x and y, not {points.shape}")
    return _fill(points * (width_px / 100, height_px / 100), height_px, width_px)


def _decode_ellipse(value: Mapping[str, Any], height_px: int, width_px: int) -> np.ndarray:
    radii = _numbers([value["radiusX"], value["radiusY"]]) * (width_px / 100, height_px / 100)
    angles = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)
    corners = np.stack((np.cos(angles), np.sin(angles)), axis=1) * radii
    return _fill(_placed(corners, value, height_px, width_px), height_px, width_px)


def _decode_rectangle(value: Mapping[str, Any], height_px: int, width_px: int) -> np.ndarray:
    size = _numbers([value["width"], value["height"]]) * (width_px / 100, height_px / 100)
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * size
    return _fill(_placed(corners, value, height_px, width_px), height_px, width_px)


DECODERS: dict[tuple[str, ...], Callable[[Mapping[str, Any], int, int], np.ndarray]] = {
    ("rle",): _decode_rle,
    ("imageDataURL",): _decode_bitmask,
    ("points",): _decode_polygon,
    ("x", "y", "radiusX", "radiusY"): _decode_ellipse,
    ("x", "y", "width", "height"): _decode_rectangle,
}


def _placed(
    corners: np.ndarray, value: Mapping[str, Any], height_px: int, width_px: int
) -> np.ndarray:
    """Turn corners (N, 2), in pixels, clockwise about their origin, and put that at x, y."""
    x, y, degrees = _numbers([value["x"], value["y"], value.get("rotation") or 0])
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turned = corners @ np.array([(cos, sin), (-sin, cos)])
    return turned + np.array([x * width_px / 100, y * height_px / 100])


def _numbers(raw: Any) -> np.ndarray:
    try:
        numbers = np.array(raw, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise RequestError(f"A region's coordinates must be numbers: {raw!r:.100}") from error
    if not np.all(np.abs(numbers) < 1e6):  # NaN is not less either
        raise RequestError(f"A region's coordinates must be finite percents: {raw!r:.100}")
    return numbers


def _fill(points: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    try:
        return polygon_to_mask(points, height_px=height_px, width_px=width_px)
    except ValueError as error:
        raise RequestError(f"The outline of the region cannot be filled: {error}") from error
