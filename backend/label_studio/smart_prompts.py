"""Reads the clicks and boxes of Label Studio's smart tools from the context of a /predict."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.errors import RequestError
from backend.label_studio.controls import Control, LabelSpec
from model import BoxPrompt, PointPrompt

MAX_PROMPTS = 1000  # in one context; people make dozens

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prompt:
    """One click or box, on one image, for one label."""

    id: str
    label: str  # alias or value, as Label Studio sends it
    to_name: str
    page: int
    shape: PointPrompt | BoxPrompt  # coordinates from 0 to 1


def read_prompts(context: Mapping[str, Any] | None) -> tuple[Prompt, ...] | None:
    """The prompts of a /predict context, oldest first; None without a context, as for a batch.

    Items of other kinds are skipped. If there is nothing else, such as the text of a smart
    TextArea, the prompts are empty: somebody asks for something, but not for every label.

    Key points restored from a draft lack "is_positive", and were positive.
    Raises RequestError for a prompt without coordinates or label.
    """
    if context is None:
        return None
    items = context.get("result") or ()
    if not isinstance(items, Sequence) or not all(isinstance(item, Mapping) for item in items):
        raise RequestError('"result" of the context must be a list of objects.')
    if len(items) > MAX_PROMPTS:
        raise RequestError(f"The context has {len(items)} items; {MAX_PROMPTS} are the most.")
    prompts = tuple(read_prompt(item) for item in items if is_prompt(item))
    if items and not prompts:
        kinds = ", ".join(sorted({str(item.get("type"))[:40] for item in items}))
        log.warning(
            "A smart tool sent %s, which is answered empty: only smart key points and rectangles "
            "with a label are understood.",
            kinds[:200],
        )
    return prompts


def is_prompt(item: Mapping[str, Any]) -> bool:
    """Whether it is a click or a box; of a <Labels> it may also be of a brush, or text."""
    kind = item.get("type")
    if kind != "labels":
        return isinstance(kind, str) and kind in PROMPT_READERS
    value = item.get("value")
    return isinstance(value, Mapping) and "x" in value and "radiusX" not in value


def read_prompt(item: Mapping[str, Any]) -> Prompt:
    kind = item["type"]
    try:
        value = item["value"]
        label = (value.get(kind) or value["labels"])[0]
        if not isinstance(label, str):
            raise TypeError(label)
        return Prompt(
            id=str(item.get("id", "")),
            label=label,
            to_name=str(item.get("to_name", "")),
            page=int(item.get("item_index") or 0),
            shape=PROMPT_READERS[kind](item, value),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise RequestError(
            f"The context's {kind} needs x, y and a label in its value: {item.get('value')!r}"[:300]
        ) from error


def _read_point(item: Mapping[str, Any], value: Mapping[str, Any]) -> PointPrompt:
    return PointPrompt(
        _fraction(value["x"]), _fraction(value["y"]), item.get("is_positive") is not False
    )


def _read_box(item: Mapping[str, Any], value: Mapping[str, Any]) -> BoxPrompt:
    """The axis-aligned bounding box of a rectangle that is rotated about its top left corner."""
    width, height = _number(value["width"]), _number(value["height"])
    aspect = _number(item.get("original_height") or 1) / _number(item.get("original_width") or 1)
    angle = math.radians(_number(value.get("rotation") or 0))
    cos, sin = math.cos(angle), math.sin(angle)
    corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]
    xs = [_number(value["x"]) + x * cos - y * sin * aspect for x, y in corners]
    ys = [_number(value["y"]) + x * sin / aspect + y * cos for x, y in corners]
    return BoxPrompt(
        (_fraction(min(xs)), _fraction(min(ys)), _fraction(max(xs)), _fraction(max(ys)))
    )


def _read_labels(item: Mapping[str, Any], value: Mapping[str, Any]) -> PointPrompt | BoxPrompt:
    """What a <KeyPoint> or <Rectangle> beside a <Labels> has drawn; a key point has no height."""
    return (_read_box if "height" in value else _read_point)(item, value)


Reader = Callable[[Mapping[str, Any], Mapping[str, Any]], PointPrompt | BoxPrompt]
PROMPT_READERS: dict[str, Reader] = {
    "keypointlabels": _read_point,
    "rectanglelabels": _read_box,
    "labels": _read_labels,
}


def _fraction(percent: Any) -> float:
    """A percentage as 0..1, clamped: a click at the border may be just outside."""
    return min(max(_number(percent) / 100, 0.0), 1.0)


def _number(raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        raise ValueError(f"no number: {raw!r:.40}")
    return float(raw)


def prompts_of_control(
    control: Control, page: int, prompts: Sequence[Prompt]
) -> tuple[Prompt, ...]:
    """The prompts on this control's image and page that have the label of the newest one there."""
    own = [one for one in prompts if one.to_name == control.to_name and one.page == page]
    return tuple(one for one in own if one.label == own[-1].label)


def index_of_label(prompt: Prompt, labels: Sequence[LabelSpec]) -> int | None:
    """Index of the prompt's label among `labels`, by alias or value; None if it is not there."""
    found = (i for i, one in enumerate(labels) if prompt.label in (one.name, one.value))
    return next(found, None)
