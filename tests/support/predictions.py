"""Predictions of an annotator, with parts of it exchanged."""

from dataclasses import replace
from typing import Any

from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.annotator import Annotator
from tests.support.annotations import EVERY_PIXEL


def with_pages(annotator: Annotator, **changes: Any) -> Annotator:
    """The annotator with another way to load images, or to encode or cache them."""
    painter = annotator.painter
    return replace(annotator, painter=replace(painter, pages=replace(painter.pages, **changes)))


def predict_one(
    annotator: Annotator,
    label_config: str,
    data: dict[str, Any],
    settings: ProjectSettings = EVERY_PIXEL,
    **more: Any,
) -> dict[str, Any]:
    """The prediction for a task of these data, which must not fail."""
    (prediction,) = annotator.predict([{"id": 5, "data": data}], label_config, settings, **more)
    assert "error" not in prediction, prediction["error"]
    return prediction
