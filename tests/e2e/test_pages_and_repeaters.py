"""Tasks of several images in a real Label Studio: repeated ones, and some that are broken."""

import pytest

from tests.support.label_configs import brush_labels, config, labels

pytestmark = pytest.mark.e2e

EVERY_PIXEL = {
    "auto_negatives": False,
    "min_region_px": 1,
    "prob_threshold": 0,
    "area_threshold": 0,
}
BROKEN = "data:image/png;base64,AAAA"


@pytest.fixture(scope="module")
def backend(label_studio, make_running):
    return make_running(LABEL_STUDIO_URL=label_studio.url)


@pytest.fixture
def project_with(label_studio, backend):
    """Make a connected project with this config and one task of these data."""

    def make(label_config: str, **data: object) -> int:
        made: int = label_studio.new_project("several images", label_config)
        answer = label_studio.connect(made, backend.url, extra_params=EVERY_PIXEL)
        assert answer["state"] == "CO", answer
        label_studio.ask("POST", f"/api/projects/{made}/import", json=[{"data": data}])
        return made

    return make


def test_a_repeaters_images_get_predictions_under_the_names_of_the_page(
    label_studio, project_with, photo_uri
):
    label_config = config(
        '<Repeater on="$images" indexFlag="{{idx}}">'
        '<Image name="image_{{idx}}" value="$images[{{idx}}]"/>'
        + brush_labels(labels("Cat"), name="tag_{{idx}}", to_name="image_{{idx}}")
        + "</Repeater>"
    )
    project = project_with(label_config, images=[photo_uri, photo_uri])
    label_studio.retrieve_predictions(project)
    (prediction,) = label_studio.predictions(project)
    names = [(region["from_name"], region["to_name"]) for region in prediction["result"]]
    assert names == [("tag_0", "image_0"), ("tag_1", "image_1")]


def test_a_task_with_a_broken_page_is_asked_for_again_and_stored_once(
    label_studio, project_with, photo_uri
):
    label_config = config('<Image name="image" valueList="$pages"/>', brush_labels(labels("Cat")))
    project = project_with(label_config, pages=[photo_uri, BROKEN])
    for _ in range(3):
        label_studio.retrieve_predictions(project)
    (partial,) = label_studio.predictions(project)
    assert [region["item_index"] for region in partial["result"]] == [0]
    assert partial["model_version"].startswith("partial-")

    (task,) = label_studio.tasks(project)
    pages = {"data": {"pages": [photo_uri, photo_uri]}}
    label_studio.ask("PATCH", f"/api/tasks/{task['id']}", json=pages)
    for _ in range(2):
        label_studio.retrieve_predictions(project)
    found = {one["model_version"]: one for one in label_studio.predictions(project)}
    whole = found[partial["model_version"].removeprefix("partial-")]
    assert [region["item_index"] for region in whole["result"]] == [0, 1]
    assert len(found) == len(label_studio.predictions(project)) <= 2
