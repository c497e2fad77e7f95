"""Reads a labeling config: the controls that masks can be made for, with their labels and images.

Label Studio's own parser (label_studio_sdk's parse_config) is the reference in the tests. It is not
called here since it drops the attributes of controls, ignores a <Brush> beside a <Labels>, finds
dynamic labels only under one-word keys, and accepts any XML, entities included.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from lxml import etree

from backend.errors import LabelConfigError, RequestError
from backend.label_studio.config_xml import (
    SMALLEST_CONFIG,
    check_config_text,
    format_tag,
    named_elements,
    parse_xml,
    shorten,
    tag_of,
    target_names,
)

LABEL_CONTROLS = ("brushlabels", "bitmasklabels", "polygonlabels")  # have labels and draw masks
BRUSHES = ("brush", "magicwand")  # draw masks for a <Labels> on the same image; first preferred


@dataclass(frozen=True)
class LabelSpec:
    name: str  # as in results: the alias, or else the value
    value: str  # the text that annotators see
    hint: str = ""
    synonyms: tuple[str, ...] = ()  # predicted_values
    attrs: Mapping[str, str] = field(default_factory=dict, hash=False)  # all of <Label>


@dataclass(frozen=True)
class Control:
    kind: str  # "brushlabels", "bitmasklabels", "polygonlabels" or "labels+brush"
    from_name: str
    to_name: str  # the Image
    labels: tuple[LabelSpec, ...]
    image_key: str  # of the task's data: "image", "page.url", "photos[0]"
    is_value_list: bool = False  # the data has a list of images, the pages of the task
    brush_name: str | None = None  # labels+brush: the <Brush> or <MagicWand> beside the <Labels>
    brush_type: str | None = None  # "brush" or "magicwand"
    dynamic_key: str | None = None  # of the task's data: further labels
    attrs: Mapping[str, str] = field(default_factory=dict, hash=False)


def read_controls(label_config: str) -> tuple[Control, ...]:
    """The controls that masks can be made for, in document order; one for each of their images.

    Raises LabelConfigError if there is none.
    """
    return _read_controls(check_config_text(label_config))


@lru_cache(maxsize=128)
def _read_controls(label_config: str) -> tuple[Control, ...]:
    root = parse_xml(label_config)
    images = {image.get("name"): image for image in named_elements(root, ("image",))}
    brushes = {
        name: brush
        for kind in reversed(BRUSHES)  # the preferred kind last, so that it wins
        for brush in named_elements(root, (kind,))
        for name in target_names(brush)
    }
    controls, reasons = [], []
    for element in named_elements(root, (*LABEL_CONTROLS, "labels")):
        labels = _label_specs(element)
        for to_name in target_names(element):
            found = _read_control(element, labels, images.get(to_name), brushes.get(to_name))
            if isinstance(found, Control):
                controls.append(found)
            else:
                reasons.append(f'{format_tag(element)} for "{to_name}" {found}')
    if not controls:
        tags = ", ".join(format_tag(element) for element in root.iter() if element.get("toName"))
        raise LabelConfigError(
            f"The labeling config has nothing that we can paint: "
            f"{shorten('; '.join(reasons) or tags or 'no control at all')}. Needed is a "
            "BrushLabels, BitmaskLabels or PolygonLabels, or a Labels with a Brush, with labels, "
            f"on an Image. The smallest config that works:\n{SMALLEST_CONFIG}"
        )
    return tuple(controls)


def _read_control(
    element: etree._Element,
    labels: tuple[LabelSpec, ...],
    image: etree._Element | None,
    brush: etree._Element | None,
) -> Control | str:
    """The control, or the reason why no masks can be made for it."""
    if any(tag_of(parent) == "repeater" for parent in element.iterancestors()):
        return "is inside a Repeater: use <Image valueList> instead"
    if image is None:
        return "is not on an Image"
    is_value_list = bool(image.get("valueList"))
    image_key = image.get("valueList" if is_value_list else "value", "")
    if not re.fullmatch(r"\$[^$/]+", image_key):
        return f'is on an Image whose value is "{image_key}": write it like $image'
    needs_brush = tag_of(element) == "labels"
    if needs_brush and brush is None:
        return "has no Brush beside it"
    dynamic = element.get("value", "")
    if not labels and not dynamic.startswith("$"):
        return "has no labels"
    return Control(
        kind="labels+brush" if needs_brush else tag_of(element),
        from_name=element.get("name", ""),
        to_name=image.get("name", ""),
        labels=labels,
        image_key=image_key[1:],
        is_value_list=is_value_list,
        brush_name=brush.get("name") if needs_brush and brush is not None else None,
        brush_type=tag_of(brush) if needs_brush and brush is not None else None,
        dynamic_key=dynamic[1:] if dynamic.startswith("$") else None,
        attrs=dict(element.attrib),
    )


def _label_specs(element: etree._Element) -> tuple[LabelSpec, ...]:
    return _unique_labels(dict(e.attrib) for e in element.iter() if tag_of(e) == "label")


def _unique_labels(all_attrs: Iterable[Mapping[str, str]]) -> tuple[LabelSpec, ...]:
    labels: dict[str, LabelSpec] = {}
    for attrs in all_attrs:
        name = attrs.get("alias") or attrs.get("value") or ""
        value = (attrs.get("value") or name).strip()
        if not name.strip() or name in labels:
            continue
        words = [word.strip() for word in attrs.get("predicted_values", "").split(",")]
        synonyms = dict.fromkeys(w for w in words if w and w.casefold() != value.casefold())
        hint = attrs.get("hint", "").strip()
        labels[name] = LabelSpec(name, value, hint, tuple(synonyms), attrs)
    return tuple(labels.values())


def labels_for(control: Control, task_data: Mapping[str, Any]) -> tuple[LabelSpec, ...]:
    """The control's labels for one task: those of the config, then dynamic ones of the task's data.

    Dynamic labels are a list of words, or of objects with the attributes of <Label>.
    Raises RequestError for anything else.
    """
    if control.dynamic_key is None:
        return control.labels
    items = _lookup_path(task_data, control.dynamic_key)
    if items is None and control.labels:
        return control.labels  # as Label Studio does for a task without dynamic labels
    if not isinstance(items, list) or not all(isinstance(i, str | Mapping) for i in items):
        raise RequestError(
            f'The labels of "{control.from_name}" come from the task: its data needs a list of '
            f'words or of {{"value": word}} under "{control.dynamic_key}", not '
            f"{shorten(repr(items))}. It has the keys {_format_keys(task_data)}."
        )
    from_task = (
        {"value": item}
        if isinstance(item, str)
        else {k: str(v) for k, v in item.items() if isinstance(v, str | int | float)}
        for item in items
    )
    labels = _unique_labels([*(label.attrs for label in control.labels), *from_task])
    if not labels:
        raise RequestError(f'The task\'s list of labels "{control.dynamic_key}" is empty.')
    return labels


def image_uris(control: Control, task_data: Mapping[str, Any]) -> list[str]:
    """URIs of the task's images: one, or a page each for an <Image valueList>.

    Raises RequestError if the task's data has none.
    """
    found = _lookup_path(task_data, control.image_key)
    if found is None:
        # The key of files that were uploaded before the project had a config.
        found = task_data.get("$undefined$")
    uris = found if isinstance(found, list) and control.is_value_list else [found]
    if not uris or not all(isinstance(uri, str) and uri for uri in uris):
        needed = "a list of image addresses" if control.is_value_list else "an image address"
        raise RequestError(
            f'The task\'s data needs {needed} under "{control.image_key}" (the value of the Image '
            f'"{control.to_name}"), but has: {describe_kind(found)}. It has the keys '
            f"{_format_keys(task_data)}."
        )
    return uris


def describe_kind(value: Any) -> str:
    """What a JSON value is, such as "list of text", without its content: URLs may hold secrets."""
    if isinstance(value, list) and value:
        return "list of " + " and ".join(sorted({describe_kind(one) for one in value}))
    kind = JSON_KINDS.get(type(value), "nothing")
    return f"empty {kind}" if value in ("", [], {}) else kind


JSON_KINDS = {str: "text", list: "list", dict: "object", bool: "true or false"} | dict.fromkeys(
    (int, float), "number"
)


def _lookup_path(data: Any, path: str) -> Any:
    """The value that Label Studio resolves $path to: of this very key, else by `.` and `[]`."""
    if isinstance(data, Mapping) and path in data:
        return data[path]
    for part in re.findall(r"[^.\[\]]+", path):
        if isinstance(data, Mapping):
            data = data.get(part)
        elif isinstance(data, list) and re.fullmatch(r"\d{1,9}", part) and int(part) < len(data):
            data = data[int(part)]
        else:
            return None
    return data


def _format_keys(data: Mapping[str, Any]) -> str:
    return shorten(", ".join(map(str, data))) or "(none)"
