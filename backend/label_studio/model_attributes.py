"""Attributes of a control that are meant for ML backends, as Label Studio's own ones read them.

`model_skip` and `model_score_threshold` mean here what they mean to its YOLO backend; a <Label> may
have a threshold of its own.
"""

from collections.abc import Mapping

from lxml import etree

from backend.errors import LabelConfigError
from backend.label_studio.config_xml import format_tag

YES, NO = ("1", "true", "yes"), ("0", "false", "no", "")


def is_skipped(element: etree._Element) -> bool:
    """Whether a control is left to people. Raises LabelConfigError for an unknown value."""
    text = element.get("model_skip", "").strip().lower()
    if text not in (*YES, *NO):
        given = element.get("model_skip", "")[:40]
        raise LabelConfigError(
            f'model_skip="{given}" of {format_tag(element)} must be "true" or "false".'
        )
    return text in YES


def min_score_of(attrs: Mapping[str, str], tag: str) -> float | None:
    """Regions of a lower score are left out; None: not said. Raises LabelConfigError.

    `attrs` of a control or a label; `tag` names it in the message.
    """
    text = attrs.get("model_score_threshold", "").strip()
    if not text:
        return None
    try:
        score = float(text)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:  # NaN is not either
        what = "must be a number from 0 to 1, such as 0.5: regions of a lower score are left out"
        raise LabelConfigError(f'model_score_threshold="{text[:40]}" of {tag} {what}.')
    return score
