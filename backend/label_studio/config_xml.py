"""Parses the XML of a labeling config, with a size limit and without entities."""

from collections.abc import Iterator
from typing import Any

from lxml import etree

from backend.errors import LabelConfigError

MAX_CONFIG_CHARS = 1_000_000

SMALLEST_CONFIG = """\
<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="tag" toName="image">
    <Label value="Cat"/>
    <Label value="Dog"/>
  </BrushLabels>
</View>"""


def check_config_text(label_config: Any) -> str:
    """The config itself if it is text within the limits. Raises LabelConfigError otherwise."""
    if not isinstance(label_config, str) or not label_config.strip():
        raise LabelConfigError(
            f"The labeling config must be XML text, not {shorten(repr(label_config))}.\n"
            f"The smallest that works:\n{SMALLEST_CONFIG}"
        )
    if len(label_config) > MAX_CONFIG_CHARS:
        raise LabelConfigError(
            f"The labeling config has {len(label_config)} characters; at most {MAX_CONFIG_CHARS} "
            'are read. Move long lists of labels into the tasks: <BrushLabels value="$labels">.'
        )
    # Label Studio's configs have no document type. Entities could read files or exhaust memory.
    if "<!DOCTYPE" in label_config or "<!ENTITY" in label_config:
        raise LabelConfigError(
            "The labeling config declares a DOCTYPE or an ENTITY: remove the declaration."
        )
    return label_config


def parse_xml(label_config: str) -> etree._Element:
    """The root element, without comments. Raises LabelConfigError for invalid XML."""
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        return etree.fromstring(label_config.strip().encode(), parser)
    except (etree.XMLSyntaxError, UnicodeEncodeError) as error:
        raise LabelConfigError(f"The labeling config is not valid XML: {error}") from error


def is_empty_config(label_config: str) -> bool:
    """Whether it has no object and no control yet, as `<View></View>`, a new project's config.

    Raises LabelConfigError for a text that is none.
    """
    root = parse_xml(check_config_text(label_config))
    return not any(element.get("name") for element in root.iter())


def tag_of(element: etree._Element) -> str:
    """The tag in lower case, as Label Studio's editor ignores case."""
    return str(element.tag).lower()


def named_elements(root: etree._Element, kinds: tuple[str, ...]) -> Iterator[etree._Element]:
    """Elements with these lower-case tags and a name, in document order."""
    return (e for e in root.iter() if tag_of(e) in kinds and e.get("name"))


def target_names(element: etree._Element) -> list[str]:
    """Names of the objects that a control annotates, from its `toName`."""
    return list(dict.fromkeys(name.strip() for name in element.get("toName", "").split(",")))


def format_tag(element: etree._Element) -> str:
    return f'<{element.tag!s} name="{element.get("name", "")}">'


def shorten(text: str) -> str:
    """The text, cut at 300 characters for a message."""
    return text if len(text) <= 300 else text[:300] + "…"
