"""Reads a labeling config: the controls that masks can be made for, with their labels and images.

Label Studio's own parser (label_studio_sdk's parse_config) is the reference in the tests. It is not
called here since it drops the attributes of controls, ignores a <Brush> beside a <Labels>, finds
dynamic labels only under one-word keys, and accepts any XML, entities included.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from backend.errors import LabelConfigError
from backend.label_studio.config_cache import ConfigCache
from backend.label_studio.config_xml import (
    SMALLEST_CONFIG,
    check_config_text,
    format_tag,
    is_empty_config,
    named_elements,
    parse_xml,
    shorten,
    tag_of,
    target_names,
)
from backend.label_studio.model_attributes import is_skipped, min_score_of

LABEL_CONTROLS = ("brushlabels", "bitmasklabels", "polygonlabels")  # have labels and draw masks
BOX_CONTROLS = ("rectanglelabels", "ellipselabels")  # around parts of masks, where no mask is drawn
VARIABLE = re.compile(r"\$[\w.\[\]{}]+")  # of the task's data, in a value
CONFIG_CACHE_BYTES = 64 * 2**20  # of what was read of configs
BYTES_PER_CHAR = 25  # of a config, in memory: 20.5 were measured where it is all labels
BRUSHES = ("brush", "magicwand")  # draw masks for a <Labels> on the same image; first preferred


@dataclass(frozen=True)
class LabelSpec:
    name: str  # as in results: the alias, or else the value
    value: str  # the text that annotators see
    hint: str = ""
    synonyms: tuple[str, ...] = ()  # predicted_values
    min_score: float | None = None  # as of the control, which it overrides
    attrs: Mapping[str, str] = field(default_factory=dict, hash=False)  # all of <Label>


@dataclass(frozen=True)
class Repeater:
    """<Repeater>: repeats what is in it for each item of a list of the task's data."""

    on: str  # "$images"
    index_flag: str = "{{idx}}"  # stands for the item's index in names and values


@dataclass(frozen=True)
class Control:
    kind: str  # one of LABEL_CONTROLS and BOX_CONTROLS, or "labels+brush"
    from_name: str
    to_name: str  # the Image
    labels: tuple[LabelSpec, ...]
    image_value: str  # as written: "$image", "$page.url", "$photos[0]", "http://host/$file"
    is_value_list: bool = False  # the data has a list of images, the pages of the task
    brush_name: str | None = None  # labels+brush: the <Brush> or <MagicWand> beside the <Labels>
    brush_type: str | None = None  # "brush" or "magicwand"
    dynamic_key: str | None = None  # of the task's data: further labels
    repeaters: tuple[Repeater, ...] = ()  # around it, outermost first; see `repeat_control`
    min_score: float | None = None  # regions of a lower score are left out; None: the project's
    lesson_name: str = ""  # under which lessons are kept: the name in the config
    attrs: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def draws_boxes(self) -> bool:
        """Whether its regions are rectangles or ellipses, which say little of a mask."""
        return self.kind in BOX_CONTROLS


@dataclass(frozen=True)
class LabelingConfig:
    controls: tuple[Control, ...]  # that masks can be made for
    faults: tuple[str, ...]  # why they cannot for others of these kinds


def read_controls(label_config: str) -> tuple[Control, ...]:
    """The controls that masks can be made for, in document order; one for each of their images.

    Raises LabelConfigError if there is none.
    """
    return _read_config(check_config_text(label_config)).controls


def check_config_of_setup(schema: Any) -> list[str]:
    """A sentence for each control that could be painted but for its faults.

    Raises LabelConfigError for a config in which nothing can be painted. A new project's is empty,
    which is no error yet; nor is a /setup that brings none.
    """
    if not isinstance(schema, str) or not schema.strip() or is_empty_config(schema):
        return []
    faults = _read_config(check_config_text(schema)).faults
    return [f"Nothing is painted for a control: {fault}." for fault in faults]


def _parse_config(label_config: str) -> LabelingConfig:
    root = parse_xml(label_config)
    images = {image.get("name"): image for image in named_elements(root, ("image",))}
    brushes = {
        name: brush
        for kind in reversed(BRUSHES)  # the preferred kind last, so that it wins
        for brush in named_elements(root, (kind,))
        for name in target_names(brush)
    }
    found = _Found()
    for kinds in ((*LABEL_CONTROLS, "labels"), BOX_CONTROLS):
        for element in named_elements(root, kinds):
            found.add(element, images, brushes)
        if found.controls:  # boxes beside a control for masks are left to people
            return LabelingConfig(tuple(found.controls), tuple(found.faults))
    tags = ", ".join(format_tag(element) for element in root.iter() if element.get("toName"))
    found_instead = "; ".join(found.skipped + found.faults) or tags or "no control at all"
    # The first line stands in Label Studio's dialog.
    raise LabelConfigError(
        "The labeling config has nothing that Firstpass can paint. Add a BrushLabels, "
        "BitmaskLabels or PolygonLabels, or a Labels with a Brush, with labels, on an Image. "
        f"It has: {shorten(found_instead)}.\n"
        f"The smallest config that works:\n{SMALLEST_CONFIG}"
    )


@dataclass
class _Found:
    """The controls of a config, and why others of their kinds are not painted."""

    controls: list[Control] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(
        self,
        element: etree._Element,
        images: Mapping[str | None, etree._Element],
        brushes: Mapping[str, etree._Element],
    ) -> None:
        """Read one control for each of its images."""
        if is_skipped(element):
            self.skipped.append(f"{format_tag(element)} is left to people by model_skip")
            return
        labels = _label_specs(element)
        for to_name in target_names(element):
            read = _read_control(element, labels, images.get(to_name), brushes.get(to_name))
            if isinstance(read, Control):
                self.controls.append(read)
            else:
                self.faults.append(f'{format_tag(element)} for "{to_name}" {read}')


_read_config = ConfigCache(
    _parse_config, max_bytes=CONFIG_CACHE_BYTES, bytes_per_char=BYTES_PER_CHAR
)


def _read_control(
    element: etree._Element,
    labels: tuple[LabelSpec, ...],
    image: etree._Element | None,
    brush: etree._Element | None,
) -> Control | str:
    """The control, or the reason why no masks can be made for it."""
    if image is None:
        return "is not on an Image"
    repeaters = _read_repeaters(element, image)
    if isinstance(repeaters, str):
        return repeaters
    is_value_list = bool(image.get("valueList"))
    image_value = image.get("valueList" if is_value_list else "value", "")
    if not VARIABLE.search(image_value):
        return f'is on an Image whose value is "{image_value}": write it like $image'
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
        image_value=image_value,
        is_value_list=is_value_list,
        brush_name=brush.get("name") if needs_brush and brush is not None else None,
        brush_type=tag_of(brush) if needs_brush and brush is not None else None,
        dynamic_key=dynamic[1:] if dynamic.startswith("$") else None,
        repeaters=repeaters,
        lesson_name=element.get("name", ""),
        min_score=min_score_of(dict(element.attrib), format_tag(element)),
        attrs=dict(element.attrib),
    )


def _read_repeaters(element: etree._Element, image: etree._Element) -> tuple[Repeater, ...] | str:
    """The Repeaters around a control, outermost first, or why it cannot be repeated."""
    around, around_image = _elements_around(element), _elements_around(image)
    if around[: len(around_image)] != around_image:
        return "is not in the Repeater of its Image"
    repeaters = tuple(
        Repeater(one.get("on", ""), one.get("indexFlag") or "{{idx}}") for one in around
    )
    for repeater in repeaters:
        if not VARIABLE.fullmatch(repeater.on):
            return f'is in a Repeater on "{repeater.on}": write it like $images'
    for named, its in ((element, repeaters), (image, repeaters[: len(around_image)])):
        for flag in (repeater.index_flag for repeater in its):
            if flag not in named.get("name", ""):
                return f'is repeated: put "{flag}" into the name of the {named.tag!s}'
    return repeaters


def _elements_around(element: etree._Element) -> list[etree._Element]:
    """The <Repeater> elements that an element is in, outermost first."""
    return [one for one in element.iterancestors() if tag_of(one) == "repeater"][::-1]


def _label_specs(element: etree._Element) -> tuple[LabelSpec, ...]:
    return unique_labels(dict(e.attrib) for e in element.iter() if tag_of(e) == "label")


def unique_labels(all_attrs: Iterable[Mapping[str, str]]) -> tuple[LabelSpec, ...]:
    labels: dict[str, LabelSpec] = {}
    for attrs in all_attrs:
        name = attrs.get("alias") or attrs.get("value") or ""
        value = (attrs.get("value") or name).strip()
        if not name.strip() or name in labels:
            continue
        words = [word.strip() for word in attrs.get("predicted_values", "").split(",")]
        synonyms = dict.fromkeys(w for w in words if w and w.casefold() != value.casefold())
        hint = attrs.get("hint", "").strip()
        min_score = min_score_of(attrs, f'<Label value="{value}">')
        labels[name] = LabelSpec(name, value, hint, tuple(synonyms), min_score, attrs)
    return tuple(labels.values())
