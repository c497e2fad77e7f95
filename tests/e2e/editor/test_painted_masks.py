"""Every kind of region is painted on the canvas where the answer says, in its label's color."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.e2e.editor.conftest import masks_of
from tests.support.label_configs import IMAGE, config
from tests.support.label_studio_editor import Editor, best_offset, iou, painted

pytestmark = pytest.mark.e2e

Masks = dict[str, NDArray[np.bool_]]  # (h, w) of the page, of each label
WAND_TOOL = '.lsf-tool[aria-label="magicwand"]'
COLORS = {"Sky": (0, 204, 238), "Tower": (238, 51, 51)}
LABELS = "".join(
    f'<Label value="{name}" background="#{bytes(rgb).hex()}"/>' for name, rgb in COLORS.items()
)


def control(kind: str, attributes: str = "") -> str:
    return f'<{kind} name="tag" toName="image" {attributes}>{LABELS}</{kind}>'


WAND = '<MagicWand name="wand" toName="image"/>'


MASKS = {
    "brush labels": control("BrushLabels"),
    "labels and brush": '<Brush name="brush" toName="image"/>' + control("Labels"),
    "labels, brush and polygon": '<Polygon name="poly" toName="image"/>'
    '<Brush name="brush" toName="image"/>' + control("Labels"),
    "brush labels beside a magic wand": control("BrushLabels") + WAND,
    "labels and magic wand": WAND + control("Labels"),
    "bitmask labels": control("BitmaskLabels"),
}
SHAPES = ("PolygonLabels", "RectangleLabels", "EllipseLabels")


@pytest.fixture
def look_at_prediction(predicted, open_editor, png_uri, rocket) -> Callable[[str], Any]:
    """The page of a predicted task of this control, its masks there, and what is painted."""

    def look(controls: str) -> tuple[Editor, Masks, Masks]:
        project, task, regions = predicted(config(IMAGE, controls), image=png_uri(rocket))
        editor = open_editor(project, task)
        editor.wait_for_regions(len({region["id"] for region in regions}))
        shown, hidden = editor.look_with_and_without()
        wanted = {label: editor.to_screen(mask) for label, mask in masks_of(regions).items()}
        assert set(wanted) == set(COLORS)
        return editor, wanted, painted(shown, hidden, COLORS)

    return look


@pytest.mark.parametrize("kind", MASKS)
def test_a_mask_is_painted_at_its_place_in_its_color(look_at_prediction, kind):
    editor, wanted, seen = look_at_prediction(MASKS[kind])
    for label, mask in wanted.items():
        assert iou(seen[label], mask) >= 0.95, label
        assert best_offset(seen[label], mask) == (0, 0), label
    assert editor.page.locator(WAND_TOOL).is_visible() == ("wand" in MASKS[kind])


@pytest.mark.parametrize("kind", SHAPES)
def test_a_shape_is_painted_around_its_part(look_at_prediction, kind):
    _, wanted, seen = look_at_prediction(control(kind))
    assert iou(union(seen), union(wanted)) >= 0.95


@pytest.mark.parametrize("kind", SHAPES)
def test_without_its_outline_a_shape_lies_at_its_place(look_at_prediction, kind):
    """Label Studio draws an outline half outside of the shape, which looks like a shift of a
    pixel where its two sides are rounded to different ones: without it there is none."""
    _, wanted, seen = look_at_prediction(control(kind, 'strokeWidth="0"'))
    assert iou(union(seen), union(wanted)) >= 0.99
    assert best_offset(union(seen), union(wanted)) == (0, 0)


def test_polygons_are_painted_in_the_color_of_their_label(look_at_prediction):
    _, wanted, seen = look_at_prediction(control("PolygonLabels", 'strokeWidth="0"'))
    for label, mask in wanted.items():
        assert iou(seen[label], mask) >= 0.95, label


def union(masks: Masks) -> NDArray[np.bool_]:
    """Of all labels: the colors of boxes that overlap cannot be told apart."""
    return np.logical_or.reduce(list(masks.values()))
