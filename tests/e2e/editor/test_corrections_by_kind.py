"""What a person erases, brushes and deletes of masks of every kind comes back and is learned."""

import pytest

from backend.masks.regions import decode_region
from tests.e2e.editor.conftest import COLORS, at, labels_in_color, masks_of
from tests.support.label_configs import IMAGE, config
from tests.support.label_studio_editor import REGIONS, iou
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

LESSONS = 'firstpass_learning_total{kind="lessons"}'
FAILURES = 'firstpass_learning_total{kind="failures"}'
ERASED, BRUSHED = (0.35, 0.2), (0.06, 0.85)  # shares of the photo: sky, and what is not


def control(kind: str) -> str:
    return f'<{kind} name="tag" toName="image">{labels_in_color()}</{kind}>'


BRUSHES = {
    "bitmask labels": (control("BitmaskLabels"), "bitmask-tool"),
    "labels and brush": ('<Brush name="brush" toName="image"/>' + control("Labels"), "brush-tool"),
}


@pytest.mark.parametrize("kind", BRUSHES)
def test_what_is_erased_and_brushed_comes_back_and_is_learned(
    label_studio, starter, predicted, open_editor, png_uri, rocket, kind
):
    controls, brush = BRUSHES[kind]
    project, task, regions = predicted(config(IMAGE, controls), image=png_uri(rocket))
    predicted_masks = masks_of(regions)
    assert [at(predicted_masks["Sky"], place) for place in (ERASED, BRUSHED)] == [True, False]

    editor = open_editor(project, task)
    editor.wait_for_regions(len(COLORS))
    editor.look()
    editor.page.locator(REGIONS, has_text="Sky").click()
    editor.choose_tool("eraser")
    editor.drag((ERASED[0] - 0.1, ERASED[1]), ERASED, (ERASED[0] + 0.1, ERASED[1]))
    editor.choose_tool(brush)
    editor.drag((BRUSHED[0] - 0.03, BRUSHED[1]), BRUSHED, (BRUSHED[0] + 0.03, BRUSHED[1]))
    editor.rest_mouse()
    learned, failed = starter.metric(LESSONS), starter.metric(FAILURES)
    annotation = editor.send("Submit", f"/api/tasks/{task}/annotations")
    masks = masks_of(annotation["result"])
    assert [at(masks["Sky"], place) for place in (ERASED, BRUSHED)] == [False, True]
    assert iou(masks["Sky"], predicted_masks["Sky"]) >= 0.8  # all else stays
    assert iou(masks["Tower"], predicted_masks["Tower"]) == 1
    wait_until(lambda: starter.metric(LESSONS) > learned, 120)
    assert starter.metric(FAILURES) == failed


def test_a_polygon_that_is_deleted_is_gone_and_the_rest_is_learned(
    label_studio, starter, predicted, open_editor, png_uri, rocket
):
    controls = config(IMAGE, control("PolygonLabels"))
    project, task, regions = predicted(controls, image=png_uri(rocket))
    editor = open_editor(project, task)
    editor.wait_for_regions(len(regions))
    editor.look()
    editor.page.locator(REGIONS).first.click()
    editor.page.keyboard.press("Backspace")
    editor.wait_for_regions(len(regions) - 1)
    learned, failed = starter.metric(LESSONS), starter.metric(FAILURES)
    annotation = editor.send("Submit", f"/api/tasks/{task}/annotations")
    kept = {one["id"]: decode_region(one) for one in annotation["result"]}
    sent = {one["id"]: decode_region(one) for one in regions}
    assert len(sent.keys() - kept.keys()) == 1
    assert all(iou(mask, sent[name]) == 1 for name, mask in kept.items())
    wait_until(lambda: starter.metric(LESSONS) > learned, 120)
    assert starter.metric(FAILURES) == failed
