"""A labeling config in which nothing can be painted is refused where people connect the model."""

import pytest

from tests.support.label_configs import CAT_DOG, CAT_DOG_CONFIG, IMAGE, config, labels

pytestmark = pytest.mark.e2e

NEEDED = "BrushLabels"  # stands in the sentence that says what to add

UNPAINTABLE = {
    "choices": '<Choices name="tag" toName="image"><Choice value="a"/></Choices>',
    "a brush without labels": '<Brush name="tag" toName="image"/>',
    "smart key points alone": '<KeyPointLabels name="tag" toName="image" smart="true">'
    f"{labels('Cat')}</KeyPointLabels>",
    "labels with rectangles": '<Rectangle name="box" toName="image"/>'
    f'<Labels name="tag" toName="image">{CAT_DOG}</Labels>',
}


@pytest.mark.parametrize("tags", UNPAINTABLE.values(), ids=UNPAINTABLE)
def test_connecting_says_what_the_config_lacks(label_studio, backend, tags):
    project = label_studio.new_project("not to paint", config(IMAGE, tags))
    body = {"project": project, "url": backend.url, "title": "Firstpass"}
    answer = label_studio.http.post(f"{label_studio.url}/api/ml/", json=body, timeout=60)
    assert answer.status_code == 400
    assert NEEDED in answer.text


def test_a_new_project_connects_before_it_has_a_config(label_studio, backend):
    project = label_studio.ask("POST", "/api/projects", json={"title": "a new project"})["id"]
    assert label_studio.connect(project, backend.url)["state"] == "CO"


def test_a_config_that_is_edited_to_nothing_shows_in_the_list_of_models(label_studio, connected):
    project = connected(CAT_DOG_CONFIG)
    label_studio.edit_config(project, config(IMAGE, UNPAINTABLE["choices"]))
    (row,) = label_studio.ask("GET", f"/api/ml?project={project}")
    assert row["state"] == "ER"
    assert NEEDED in row["error_message"]
    label_studio.edit_config(project, CAT_DOG_CONFIG)
    (row,) = label_studio.ask("GET", f"/api/ml?project={project}")
    assert (row["state"], row["error_message"]) == ("CO", None)
