"""Attributes of a control that are meant for ML backends, as Label Studio's own ones read them.

`model_skip` and `model_score_threshold` mean here what they mean to its YOLO backend.
"""

from lxml import etree

from backend.errors import LabelConfigError
from backend.label_studio.config_xml import format_tag

YES, NO = ("1", "true", "yes"), ("0", "false", "no", "")


def is_skipped(element: etree._Element) -> bool:
    """Whether a control is left to people. Raises LabelConfigError for an unknown value."""
    text = element.get("model_skip", "").strip().lower()
    if text not in (*YES, *NO):
        raise _wrong_value(element, "model_skip", 'must be "true" or "false"')
    return text in YES


def min_score_of(element: etree._Element) -> float:
    """Regions of a lower score are left out; 0 leaves out none. Raises LabelConfigError."""
    text = element.get("model_score_threshold", "").strip()
    try:
        score = float(text or 0)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:  # NaN is not either
        what = "must be a number from 0 to 1, such as 0.5: regions of a lower score are left out"
        raise _wrong_value(element, "model_score_threshold", what)
    return score


def _wrong_value(element: etree._Element, name: str, what: str) -> LabelConfigError:
    given = element.get(name, "")[:40]
    return LabelConfigError(f'{name}="{given}" of {format_tag(element)} {what}.')
