"""A click with the smart tool: a region appears under the mouse."""

from typing import Any

import pytest

from backend.label_studio.config_writer import write_config
from backend.masks.regions import decode_region
from tests.support.label_studio_editor import Editor, iou, painted

pytestmark = pytest.mark.e2e

LABELS = ("Sky", "Tower", "Rocket")
COLORS = {"Sky": (0, 204, 238), "Tower": (238, 51, 51), "Rocket": (238, 221, 119)}
POINTS = 1  # place of the control in the config
ON_ROCKET = (0.5, 0.6)


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


def test_a_click_is_answered_under_the_mouse(editor):
    pick_smart_tool(editor, "key-point-tool", "Rocket", POINTS)
    hidden = editor.look()
    (region,) = answer_to(editor, lambda: editor.page.mouse.click(*editor.at(*ON_ROCKET)))
    editor.rest_mouse()
    mask = decode_region(region)
    assert mask[int(ON_ROCKET[1] * mask.shape[0]), int(ON_ROCKET[0] * mask.shape[1])]
    seen = painted(editor.look(), hidden, COLORS)["Rocket"]
    assert iou(seen, editor.to_screen(mask)) >= 0.9  # the click itself is drawn, too
