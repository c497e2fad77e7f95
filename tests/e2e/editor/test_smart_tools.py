"""Clicks and boxes with the smart tools: regions appear where they are, and shrink where told."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.label_studio.config_writer import write_config
from backend.masks.regions import decode_region
from tests.e2e.editor.conftest import at
from tests.support.label_studio_editor import Editor, iou, painted

pytestmark = pytest.mark.e2e

LABELS = ("Sky", "Tower", "Rocket")
COLORS = {"Sky": (0, 204, 238), "Tower": (238, 51, 51), "Rocket": (238, 221, 119)}
AUTO_ANNOTATION = "bottombar-auto-annotation-toggle"
POINTS, BOXES = 1, 2  # places of the controls in the config
ON_ROCKET, HIGH_IN_SKY, LOW_IN_SKY = (0.5, 0.6), (0.35, 0.2), (0.65, 0.45)  # shares of the photo
AROUND_ROCKET = (0.46, 0.27), (0.56, 0.95)


@pytest.fixture
def editor(label_studio, starter, open_editor, png_uri, rocket) -> Editor:
    """A task whose one prediction is empty, so that all that is painted was asked for."""
    project = label_studio.new_project("smart tools", write_config(LABELS))
    row = label_studio.connect(project, starter.url, is_interactive=True)
    assert row["state"] == "CO", row
    task = label_studio.import_task(project, image=png_uri(rocket))
    body = {"task": task, "result": [], "model_version": row["model_version"]}
    label_studio.ask("POST", "/api/predictions/", json=body)
    editor: Editor = open_editor(project, task)
    editor.look()  # at rest, the page takes no click back
    if not editor.page.get_by_test_id(AUTO_ANNOTATION).is_checked():  # the browser remembers it
        editor.page.locator(".lsf-dynamic-preannotations label").click()
    return editor


def answer_to(editor: Editor, act: Any) -> list[dict[str, Any]]:
    """The regions that the service answers to what is done with the mouse."""
    with editor.page.expect_response(lambda one: "interactive-annotating" in one.url) as waited:
        act()
    answer = waited.value.json()
    assert not answer.get("errors"), answer
    regions: list[dict[str, Any]] = answer["data"]["result"]
    return regions


def pick_smart_tool(editor: Editor, kind: str, label: str, group: int) -> None:
    """Of the kinds under the smart tool; then the label, which keeps a tool of its own control."""
    editor.page.locator(".lsf-tool_smart").first.hover()
    editor.page.locator(f'.lsf-tool_smart[aria-label="{kind}"]').dispatch_event("click")
    editor.choose_label(label, group)


def click(editor: Editor, place: tuple[float, float]) -> NDArray[np.bool_]:
    """The mask that is answered to a click at these shares of the photo."""
    (region,) = answer_to(editor, lambda: editor.page.mouse.click(*editor.at(*place)))
    editor.rest_mouse()
    return decode_region(region)


def test_a_click_is_answered_under_the_mouse(editor):
    pick_smart_tool(editor, "key-point-tool", "Rocket", POINTS)
    hidden = editor.look()
    mask = click(editor, ON_ROCKET)
    assert at(mask, ON_ROCKET)
    seen = painted(editor.look(), hidden, COLORS)["Rocket"]
    assert iou(seen, editor.to_screen(mask)) >= 0.9  # the click itself is drawn, too


def test_a_click_with_alt_takes_away_where_it_is(editor):
    pick_smart_tool(editor, "key-point-tool", "Sky", POINTS)
    hidden = editor.look()
    before = click(editor, HIGH_IN_SKY)
    seen_before = painted(editor.look(), hidden, COLORS)["Sky"]
    editor.choose_label("Sky", POINTS)  # Label Studio lets go of it at each click
    editor.page.keyboard.down("Alt")
    after = click(editor, LOW_IN_SKY)
    editor.page.keyboard.up("Alt")
    assert [at(mask, HIGH_IN_SKY) for mask in (before, after)] == [True, True]
    assert [at(mask, LOW_IN_SKY) for mask in (before, after)] == [True, False]
    seen = painted(editor.look(), hidden, COLORS)["Sky"]
    assert iou(seen, editor.to_screen(after)) >= 0.9
    assert seen.sum() < seen_before.sum()


def test_the_answer_to_a_box_lies_in_it_and_stays_when_accepted(editor):
    pick_smart_tool(editor, "rectangle-tool", "Rocket", BOXES)
    hidden = editor.look()
    (region,) = answer_to(editor, lambda: editor.drag(*AROUND_ROCKET))
    mask = decode_region(region)
    assert at(mask, ON_ROCKET)
    places = np.argwhere(mask)[:, ::-1] / mask.shape[::-1]  # x, y of each pixel as shares
    a_pixel = 1 / np.array(mask.shape[::-1])
    assert (places >= AROUND_ROCKET[0] - a_pixel).all()
    assert (places <= AROUND_ROCKET[1] + a_pixel).all()
    editor.page.get_by_test_id("bottombar-accept-suggestions-button").click()
    editor.rest_mouse()  # the box is gone
    seen = painted(editor.look(), hidden, COLORS)["Rocket"]
    assert iou(seen, editor.to_screen(mask)) >= 0.95
