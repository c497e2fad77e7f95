"""Every kind of region is painted on the canvas where the answer says, in its label's color."""

import numpy as np
import pytest

from tests.e2e.editor.conftest import masks_of
from tests.support.label_configs import IMAGE, config
from tests.support.label_studio_editor import best_offset, iou, painted

pytestmark = pytest.mark.e2e

COLORS = {"Sky": (0, 204, 238), "Tower": (238, 51, 51)}
LABELS = "".join(
    f'<Label value="{name}" background="#{bytes(rgb).hex()}"/>' for name, rgb in COLORS.items()
)


def control(kind: str) -> str:
    return f'<{kind} name="tag" toName="image">{LABELS}</{kind}>'


MASKS = {
    "brush labels": control("BrushLabels"),
    "labels and brush": '<Brush name="brush" toName="image"/>' + control("Labels"),
    "brush labels beside a magic wand": control("BrushLabels")
    + '<MagicWand name="wand" toName="image"/>',
    "labels, brush and polygon": '<Polygon name="poly" toName="image"/>'
    '<Brush name="brush" toName="image"/>' + control("Labels"),
}
BOXES = {
    "rectangle labels": control("RectangleLabels"),
    "ellipse labels": control("EllipseLabels"),
}


@pytest.mark.parametrize("kind", MASKS)
def test_a_mask_is_painted_at_its_place_in_its_color(predicted, open_editor, png_uri, rocket, kind):
    project, task, regions = predicted(config(IMAGE, MASKS[kind]), image=png_uri(rocket))
    editor = open_editor(project, task)
    editor.wait_for_regions(len({region["id"] for region in regions}))
    shown, hidden = editor.look_with_and_without()
    masks, seen = masks_of(regions), painted(shown, hidden, COLORS)
    assert set(masks) == set(COLORS)
    for label, mask in masks.items():
        wanted = editor.to_screen(mask)
        assert iou(seen[label], wanted) >= 0.95, label
        assert best_offset(seen[label], wanted) == (0, 0), label


@pytest.mark.parametrize("kind", BOXES)
def test_a_box_is_painted_around_its_part(predicted, open_editor, png_uri, rocket, kind):
    project, task, regions = predicted(config(IMAGE, BOXES[kind]), image=png_uri(rocket))
    editor = open_editor(project, task)
    editor.wait_for_regions(len(regions))
    shown, hidden = editor.look_with_and_without()
    seen = np.logical_or.reduce(list(painted(shown, hidden, COLORS).values()))
    wanted = editor.to_screen(np.logical_or.reduce(list(masks_of(regions).values())))
    assert iou(seen, wanted) >= 0.95
