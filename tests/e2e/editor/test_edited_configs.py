"""A labeling config that is edited after the model was connected, in Label Studio's pages."""

import pytest

from backend.label_studio.config_writer import write_config
from tests.support.label_configs import IMAGE, config
from tests.support.label_studio_models import ModelsPage
from tests.support.label_studio_server import TOKEN

pytestmark = pytest.mark.e2e

CHOICES = config(IMAGE, '<Choices name="tag" toName="image"><Choice value="a"/></Choices>')
EDITS = {
    "a label that is added": (("Sky",), ("Sky", "Tower"), "Tower"),
    "a label that is renamed": (("Clouds", "Tower"), ("Sky", "Tower"), "Sky"),
}


@pytest.mark.parametrize("name", EDITS)
def test_the_next_retrieval_shows(label_studio, starter, page, open_editor, png_uri, rocket, name):
    before, after, new = EDITS[name]
    project = label_studio.new_project("edited", write_config(before))
    task = label_studio.import_task(project, image=png_uri(rocket))
    models = ModelsPage(page, label_studio.url, project)
    assert models.connect(starter.url, '{"min_score": 0}') == ""
    models.retrieve_predictions()
    models.wait_for_predictions(1)
    (first,) = label_studio.predictions(project)

    label_studio.edit_config(project, write_config(after))
    assert "Connected" in models.card()
    models.retrieve_predictions()
    models.wait_for_predictions(2)
    second = max(label_studio.predictions(project), key=lambda one: one["id"])
    assert second["model_version"] != first["model_version"]
    editor = open_editor(project, task)  # it shows the newest
    editor.wait_for_regions(len(second["result"]))
    assert new in page.locator(".lsf-outliner").inner_text()
    editor.look()


def test_a_config_that_is_edited_to_nothing_is_said_by_doctor_and_test_request(
    label_studio, backend, doctor, page, shoot, png_uri, rocket
):
    project = label_studio.new_project("edited", write_config(("Sky", "Tower")))
    label_studio.import_task(project, image=png_uri(rocket))
    models = ModelsPage(page, label_studio.url, project)
    assert models.connect(backend.url) == ""
    label_studio.edit_config(project, CHOICES)
    card = models.card()
    shoot("card")
    assert "Error" in card
    item = models.test_item()
    shoot("test-request")
    assert item["error"]["code"] == "label_config"
    assert "Add a BrushLabels" in item["error"]["message"]
    found = doctor(backend, "--project", str(project), LABEL_STUDIO_API_KEY=TOKEN)
    assert found.code == 1
    assert found["connection"].found == f"{backend.url} in project {project}: Error"
    assert "Add a BrushLabels" in found["connection"].cure
