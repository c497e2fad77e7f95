"""A person corrects a mask with eraser and brush; it is learned, and shown under a new version."""

import numpy as np
import pytest

from backend.label_studio.config_writer import write_config
from backend.masks.regions import decode_region
from tests.e2e.editor.conftest import COLORS, at, check_painted, masks_of
from tests.support.label_studio_editor import REGIONS
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

LESSONS = 'firstpass_learning_total{kind="lessons"}'
ERASED, BRUSHED = (0.35, 0.2), (0.06, 0.85)  # shares of the photo: sky, and what is not


def test_what_is_erased_and_brushed_is_submitted_learned_and_shown(
    label_studio, starter, predicted, open_editor, png_uri, rocket
):
    config = write_config(tuple(COLORS))
    project, task, regions = predicted(config, image=png_uri(rocket))
    before = label_studio.model_version(project)
    sky = masks_of(regions)["Sky"]
    assert (at(sky, ERASED), at(sky, BRUSHED)) == (True, False)

    editor = open_editor(project, task)
    editor.open_models(label_studio.url, project)
    editor.save("connected")
    editor.open(label_studio.url, project, task)
    editor.wait_for_regions(len(regions))
    editor.look()
    editor.save("first-pass")
    editor.page.locator(REGIONS, has_text="Sky").click()
    editor.choose_tool("eraser")
    editor.drag((ERASED[0] - 0.1, ERASED[1]), ERASED, (ERASED[0] + 0.1, ERASED[1]))
    editor.choose_tool("brush-tool")
    editor.drag((BRUSHED[0] - 0.03, BRUSHED[1]), BRUSHED, (BRUSHED[0] + 0.03, BRUSHED[1]))
    editor.rest_mouse()
    editor.save("corrected")
    learned = starter.metric(LESSONS)
    annotation = editor.send("Submit", f"/api/tasks/{task}/annotations")
    (corrected,) = [
        decode_region(one) for one in annotation["result"] if "Sky" in one["value"]["brushlabels"]
    ]
    assert (at(corrected, ERASED), at(corrected, BRUSHED)) == (False, True)
    assert annotation["parent_prediction"]

    wait_until(lambda: starter.metric(LESSONS) > learned, 120)
    wait_until(lambda: label_studio.model_version(project) != before, 120)
    assert label_studio.model_version(project).startswith("mem1-")
    other = label_studio.import_task(project, image=png_uri(np.ascontiguousarray(rocket[:, ::-1])))
    label_studio.retrieve_predictions(project)
    (after,) = [one for one in label_studio.predictions(project) if one["task"] == other]
    assert after["model_version"].startswith("mem1-")
    editor.open(label_studio.url, project, other)
    editor.wait_for_regions(len(after["result"]))
    editor.look()
    editor.save("after-learning")
    check_painted(editor, masks_of(after["result"]))
