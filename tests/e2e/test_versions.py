"""Versions in a real Label Studio: what is predicted anew, and what it shows of them."""

import json
from urllib.parse import quote

import pytest

from tests.support.label_configs import IMAGE, brush_labels, config, labels
from tests.support.label_studio_server import LabelStudioServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

CONFIG = config(IMAGE, brush_labels(labels("Cat", "Blanket")))


def predictions_of(label_studio: LabelStudioServer, project: int) -> list[dict]:
    """Oldest first."""
    return sorted(label_studio.predictions(project), key=lambda one: one["id"])


def label_names(prediction: dict) -> set[str]:
    return {name for region in prediction["result"] for name in region["value"]["brushlabels"]}


def abbreviated(version: str) -> str:
    """As Label Studio's tabs show it: AnnotationButton.tsx, NAME_TRUNCATE_START and _END."""
    return f"{version[:8]}...{version[-6:]}" if len(version) > 15 else version


def train(label_studio: LabelStudioServer, project: int, number: int) -> str:
    """Make a version of what was corrected; its name."""
    (row,) = label_studio.ask("GET", f"/api/ml?project={project}")
    label_studio.ask("POST", f"/api/ml/{row['id']}/train", json={})
    wait_until(lambda: label_studio.model_version(project).startswith(f"mem{number}-"))
    return label_studio.model_version(project)


@pytest.mark.parametrize(
    ("part", "replacement"),
    [
        ('<Label value="Blanket"/>', labels("Blanket", "Whiskers", "Grass", "Fur", "Snow")),
        ('<Label value="Blanket"/>', '<Label value="Blanket" predicted_values="cloth, quilt"/>'),
    ],
    ids=["labels", "synonyms"],
)
def test_words_that_are_added_are_predicted(label_studio, connected, cat, part, replacement):
    project = connected(CONFIG)
    label_studio.upload(project, cat)
    label_studio.retrieve_predictions(project)
    (before,) = predictions_of(label_studio, project)
    label_studio.edit_config(project, CONFIG.replace(part, replacement))
    label_studio.retrieve_predictions(project)
    kept, after = predictions_of(label_studio, project)
    assert kept == before
    assert after["model_version"] != before["model_version"]
    assert after["model_version"] == label_studio.model_version(project)
    assert after["result"] != before["result"]
    if "Grass" in replacement:
        assert label_names(after) - label_names(before)


def test_a_color_that_changes_has_nothing_predicted_anew(label_studio, connected, cat):
    project = connected(CONFIG)
    label_studio.upload(project, cat)
    label_studio.retrieve_predictions(project)
    label_studio.edit_config(project, CONFIG.replace('"Cat"', '"Cat" background="#00ff00"'))
    label_studio.retrieve_predictions(project)
    assert len(predictions_of(label_studio, project)) == 1


def test_what_was_learned_can_be_told_from_what_label_studio_shows(label_studio, connected, cat):
    project = connected(CONFIG)
    (task,) = label_studio.upload(project, cat)
    label_studio.retrieve_predictions(project)
    (first,) = predictions_of(label_studio, project)
    result = [first["result"][0] | {"origin": "manual"}]
    path = f"/api/tasks/{task}/annotations/?project={project}"
    label_studio.ask("POST", path, json={"result": result})
    versions = [first["model_version"], train(label_studio, project, 1)]
    label_studio.retrieve_predictions(project)

    assert [one["model_version"] for one in predictions_of(label_studio, project)] == versions
    assert len({abbreviated(version) for version in versions}) == 2
    assert abbreviated(versions[1]).startswith("mem1-")

    (shown,) = label_studio.tasks(project)  # the data manager's column
    assert set(shown["predictions_model_versions"].split(",")) == set(versions)
    counts = label_studio.ask("GET", f"/api/projects/{project}/model-versions/?extended=true")
    assert {one["model_version"]: one["count"] for one in counts["static"]} == dict.fromkeys(
        versions, 1
    )
    for version in versions:  # Settings > Predictions: delete those of one version
        path = f"/api/projects/{project}/model-versions/"
        label_studio.ask("DELETE", path, json={"model_version": version})
    assert predictions_of(label_studio, project) == []


def test_the_data_manager_finds_the_tasks_of_a_version(label_studio, connected, cat):
    """Its filter looks for the version inside the versions of each task's predictions."""
    project = connected(CONFIG)
    label_studio.upload(project, cat)
    label_studio.retrieve_predictions(project)
    older = label_studio.model_version(project)
    label_studio.edit_config(project, CONFIG.replace("Blanket", "Quilt"))
    label_studio.upload(project, cat)
    newer = label_studio.model_version(project)
    old_task, new_task = sorted(task["id"] for task in label_studio.tasks(project))
    label_studio.ask("GET", f"/api/tasks/{new_task}/?project={project}")  # predicts this one

    def found(version: str) -> list[int]:
        item = {
            "filter": "filter:tasks:predictions_model_versions",
            "operator": "contains",
            "type": "String",
            "value": [version],
        }
        query = quote(json.dumps({"filters": {"conjunction": "and", "items": [item]}}))
        path = f"/api/tasks?project={project}&query={query}"
        return [task["id"] for task in label_studio.ask("GET", path)["tasks"]]

    assert (found(older), found(newer)) == ([old_task], [new_task])
