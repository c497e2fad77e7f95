"""Writes the labeling config for a list of labels: masks, clicks and boxes, colors that differ."""

from collections.abc import Iterable, Sequence

from lxml import etree

from backend.label_studio.label_colors import hex_color_of

SMART_TOOLS = {"point": "KeyPointLabels", "box": "RectangleLabels"}


def write_config(labels: Sequence[str]) -> str:
    """XML with a BrushLabels "tag" on an Image "image" of `$image`, and its smart tools."""
    view = etree.Element("View")
    etree.SubElement(view, "Image", name="image", value="$image", zoom="true")
    _add_control(view, "BrushLabels", "tag", labels)
    for name, kind in SMART_TOOLS.items():
        _add_control(view, kind, name, labels, smart="true")
    etree.indent(view)
    return etree.tostring(view, encoding="unicode")


def split_labels(text: str) -> tuple[str, ...]:
    """The labels of a text that divides them by commas or lines, each once, in their order."""
    names = (" ".join(name.split()) for line in text.splitlines() for name in line.split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def _add_control(
    view: etree._Element, kind: str, name: str, labels: Iterable[str], **attrs: str
) -> None:
    control = etree.SubElement(view, kind, name=name, toName="image")
    control.attrib.update(attrs)
    for index, label in enumerate(labels):
        etree.SubElement(control, "Label", value=label, background=hex_color_of(index))
