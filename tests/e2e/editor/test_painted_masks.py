"""Every kind of region is painted on the canvas where the answer says, in its label's color."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.e2e.editor.conftest import COLORS, check_painted, labels_in_color, masks_of
from tests.support.label_configs import IMAGE, config
from tests.support.label_studio_editor import best_offset, iou, painted

pytestmark = pytest.mark.e2e


def control(kind: str, attributes: str = "") -> str:
    return f'<{kind} name="tag" toName="image" {attributes}>{labels_in_color()}</{kind}>'


BRUSH, POLYGON, WAND = (
    f'<{kind} name="{kind}" toName="image"/>' for kind in ("Brush", "Polygon", "MagicWand")
)
NO_OUTLINE = 'strokeWidth="0"'
MASKS = {
    "brush labels": control("BrushLabels"),
    "labels and brush": BRUSH + control("Labels"),
    "labels, brush and polygon": POLYGON + BRUSH + control("Labels"),
    "brush labels beside a magic wand": control("BrushLabels") + WAND,
    "labels and magic wand": WAND + control("Labels"),
    "bitmask labels": control("BitmaskLabels"),
    "polygon labels without outline": control("PolygonLabels", NO_OUTLINE),
}
BOXES = ("RectangleLabels", "EllipseLabels")
WAND_TOOL = '.lsf-tool[aria-label="magicwand"]'


@pytest.fixture
def open_prediction(predicted, open_editor, png_uri, rocket) -> Callable[[str], Any]:
    """The page of a task predicted for this control, and the masks that were answered."""

    def open_prediction(controls: str) -> Any:
        project, task, regions = predicted(config(IMAGE, controls), image=png_uri(rocket))
        editor = open_editor(project, task)
        editor.wait_for_regions(len({region["id"] for region in regions}))
        return editor, masks_of(regions)

    return open_prediction


@pytest.fixture
def look_at_union(open_prediction) -> Callable[[str], Any]:
    """What is painted for this control, and what should be, (h, w) of the page.

    Of all labels at once, since the colors of boxes that overlap cannot be told apart.
    """

    def look(controls: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        editor, masks = open_prediction(controls)
        shown, hidden = editor.look_with_and_without()
        return union(painted(shown, hidden, COLORS)), editor.to_screen(union(masks))

    return look


def union(masks: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
    return np.logical_or.reduce(list(masks.values()))


@pytest.mark.parametrize("kind", MASKS)
def test_a_mask_is_painted_at_its_place_in_its_color(open_prediction, kind):
    editor, masks = open_prediction(MASKS[kind])
    check_painted(editor, masks)
    assert editor.page.locator(WAND_TOOL).is_visible() == (WAND in MASKS[kind])


@pytest.mark.parametrize("kind", ["PolygonLabels", *BOXES])
def test_a_shape_is_painted_around_its_part(look_at_union, kind):
    seen, wanted = look_at_union(control(kind))
    assert iou(seen, wanted) >= 0.95


@pytest.mark.parametrize("kind", BOXES)
def test_only_its_outline_lets_a_box_seem_moved(look_at_union, kind):
    """Label Studio draws the outline half outside of the box. Where its two sides are rounded to
    different pixels, the best offset is a pixel or more; without the outline it is none."""
    seen, wanted = look_at_union(control(kind, NO_OUTLINE))
    assert iou(seen, wanted) >= 0.99
    assert best_offset(seen, wanted) == (0, 0)
