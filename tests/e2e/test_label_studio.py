"""The main job in a real Label Studio: connect, import a photo, retrieve masks, correct one."""

import numpy as np
import pytest
from PIL import Image

from backend.masks.brush_rle import encode_mask
from backend.masks.regions import decode_region
from tests.support.label_configs import IMAGE, config
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

LESSONS = 'firstpass_learning_total{kind="lessons"}'
CREATED = 'firstpass_webhook_events_total{action="ANNOTATION_CREATED"}'

LABELS = '<Label value="Cat" alias="c"/><Label value="Blanket"/>'
CONFIGS = {
    "brush": f'<BrushLabels name="tag" toName="image">{LABELS}</BrushLabels>',
    "bitmask": f'<BitmaskLabels name="tag" toName="image">{LABELS}</BitmaskLabels>',
    "polygon": f'<PolygonLabels name="tag" toName="image">{LABELS}</PolygonLabels>',
    "labels and brush": '<Brush name="brush" toName="image"/>'
    f'<Labels name="tag" toName="image">{LABELS}</Labels>',
    "labels and magic wand": '<MagicWand name="wand" toName="image"/>'
    f'<Labels name="tag" toName="image">{LABELS}</Labels>',
    "smart": f'<BrushLabels name="tag" toName="image">{LABELS}</BrushLabels>'
    f'<KeyPointLabels name="kp" toName="image" smart="true">{LABELS}</KeyPointLabels>',
}


@pytest.fixture
def project(connected):
    """Make a project with this kind of control, connected to the backend."""
    return lambda kind: connected(config(IMAGE, CONFIGS[kind]))


@pytest.mark.parametrize("kind", [kind for kind in CONFIGS if kind != "smart"])
def test_a_photo_gets_its_masks(label_studio, project, cat, kind):
    made = project(kind)
    (task,) = label_studio.upload(made, cat)
    label_studio.retrieve_predictions(made)
    (prediction,) = label_studio.predictions(made)
    assert prediction["task"] == task
    assert 0 <= prediction["score"] <= 1
    assert prediction["model_version"]

    height, width = np.asarray(Image.open(cat)).shape[:2]
    covered = np.zeros((height, width), dtype=bool)
    names = set()
    for region in prediction["result"]:
        assert (region["original_height"], region["original_width"]) == (height, width)
        for key in ("brushlabels", "bitmasklabels", "polygonlabels", "labels"):
            names.update(region["value"].get(key, []))
        if region["type"] != "labels":  # the second item of labels and brush, with the same mask
            covered |= decode_region(region)
    assert names
    assert names <= {"c", "Blanket"}
    assert covered.mean() > (0.5 if kind == "polygon" else 0.99)


@pytest.mark.parametrize("kind", [kind for kind in CONFIGS if kind != "smart"])
def test_a_prediction_passes_the_check_of_an_import(label_studio, project, cat, kind):
    """Label Studio checks what is imported, and drops what it finds invalid; not so of a model."""
    made = project(kind)
    (task,) = label_studio.upload(made, cat)
    label_studio.retrieve_predictions(made)
    (prediction,) = label_studio.predictions(made)
    body = [{"task": task, "result": prediction["result"], "model_version": "imported"}]
    label_studio.ask("POST", f"/api/projects/{made}/import/predictions", json=body)
    versions = [one["model_version"] for one in label_studio.predictions(made)]
    assert "imported" in versions


def test_a_broken_photo_is_asked_for_again_and_costs_the_others_nothing(
    label_studio, project, cat, tmp_path
):
    made = project("brush")
    broken = tmp_path / "broken.png"
    broken.write_bytes(cat.read_bytes()[:2000])
    tasks = label_studio.upload(made, broken, cat)
    label_studio.retrieve_predictions(made)
    assert [p["task"] for p in label_studio.predictions(made)] == tasks[1:]


def test_a_task_that_is_opened_is_predicted(label_studio, project, cat):
    made = project("brush")
    (task,) = label_studio.upload(made, cat)
    label_studio.ask("GET", f"/api/tasks/{task}/?project={made}")
    assert len(label_studio.predictions(made)) == 1


def test_a_wrong_extra_param_is_told_to_the_person_who_connects(label_studio, backend):
    made = label_studio.new_project("wrong", config(IMAGE, CONFIGS["brush"]))
    body = {"project": made, "url": backend.url, "title": "x", "extra_params": {"method": "clap"}}
    answer = label_studio.http.post(f"{label_studio.url}/api/ml/", json=body, timeout=60)
    assert not answer.ok
    assert "method cannot be" in answer.text


def test_the_test_request_shows_a_prediction(label_studio, project, cat):
    made = project("brush")
    label_studio.upload(made, cat)
    (row,) = label_studio.ask("GET", f"/api/ml?project={made}")
    answer = label_studio.ask("POST", f"/api/ml/{row['id']}/predict/test?random=true")
    assert answer["response"][0]["result"]


def test_versions_are_listed(label_studio, project):
    made = project("brush")
    (row,) = label_studio.ask("GET", f"/api/ml?project={made}")
    versions = label_studio.ask("GET", f"/api/ml/{row['id']}/versions")["versions"]
    assert versions
    assert all(isinstance(version, str) for version in versions)


def test_a_click_is_answered(label_studio, project, cat):
    made = project("smart")
    (task,) = label_studio.upload(made, cat)
    (row,) = label_studio.ask("GET", f"/api/ml?project={made}")
    click = {
        "type": "keypointlabels",
        "from_name": "kp",
        "to_name": "image",
        "id": "k1",
        "is_positive": True,
        "value": {"x": 40, "y": 50, "width": 0.5, "keypointlabels": ["c"]},
    }
    path = f"/api/ml/{row['id']}/interactive-annotating"
    answer = label_studio.ask("POST", path, json={"task": task, "context": {"result": [click]}})
    assert not answer.get("errors")
    for region in answer["data"]["result"]:
        assert region["value"]["brushlabels"] == ["c"]


def test_a_correction_reaches_the_backend(label_studio, backend, project, cat):
    made = project("brush")
    (task,) = label_studio.upload(made, cat)
    label_studio.retrieve_predictions(made)
    (prediction,) = label_studio.predictions(made)
    body = {"result": prediction["result"][:1], "parent_prediction": prediction["id"]}
    label_studio.ask("POST", f"/api/tasks/{task}/annotations/?project={made}", json=body)
    wait_until(lambda: backend.metric(CREATED) == 1)


def test_corrections_are_learned_used_and_forgotten(label_studio, backend, project, cat, tmp_path):
    """What a person draws changes the next predictions, once Start Training says so."""
    made = project("brush")
    photos = [tmp_path / f"cat {n}.png" for n in range(2)]
    with Image.open(cat) as image:
        for n, path in enumerate(photos):
            image.crop((20 * n, 0, image.width - 20, image.height)).save(path)
    first, second = label_studio.upload(made, *photos)
    label_studio.retrieve_predictions(made)
    before = {p["task"]: p for p in label_studio.predictions(made)}
    (row,) = label_studio.ask("GET", f"/api/ml?project={made}")

    # Of the first photo the upper half is said to be the cat: our region, corrected.
    (region, *_) = before[first]["result"]
    hw = region["original_height"], region["original_width"]
    mask = np.zeros(hw, dtype=bool)
    mask[: hw[0] // 2] = True
    value = {"format": "rle", "rle": encode_mask(mask), "brushlabels": ["c"]}
    corrected = region | {"value": value, "origin": "prediction-changed"}
    body = {"result": [corrected], "parent_prediction": before[first]["id"]}
    learned = backend.metric(LESSONS)
    annotation = label_studio.ask(
        "POST", f"/api/tasks/{first}/annotations/?project={made}", json=body
    )
    wait_until(lambda: backend.metric(LESSONS) > learned, 60)
    assert not label_studio.model_version(made).startswith(
        "mem"
    )  # one correction is no new version

    path = f"/api/ml/{row['id']}"
    label_studio.ask("POST", f"{path}/train", json={})
    wait_until(lambda: label_studio.model_version(made).startswith("mem1-"), 60)
    assert (
        label_studio.model_version(made) in label_studio.ask("GET", f"{path}/versions")["versions"]
    )
    label_studio.retrieve_predictions(made)  # the version is new, so the task is asked for again
    after = max(
        (p for p in label_studio.predictions(made) if p["task"] == second), key=lambda p: p["id"]
    )
    assert after["model_version"].startswith("mem1-")
    assert after["result"] != before[second]["result"]

    label_studio.ask("DELETE", f"/api/annotations/{annotation['id']}/")
    wait_until(lambda: not label_studio.model_version(made).startswith("mem"), 60)
