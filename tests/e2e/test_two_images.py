"""One control on two images: Label Studio keeps each image's regions, and both teach."""

from collections import Counter

import numpy as np
import pytest
from skimage.data import chelsea

from backend.masks.regions import decode_region
from tests.support.label_configs import brush_labels, config
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

LESSONS = 'firstpass_learning_total{kind="lessons"}'
FAILURES = 'firstpass_learning_total{kind="failures"}'

CONFIG = config(
    '<Image name="left" value="$left"/>',
    '<Image name="right" value="$right"/>',
    brush_labels(to_name="left,right"),
)


@pytest.fixture
def project(label_studio, connected, png_uri) -> int:
    """With one task of two images of unlike sizes."""
    made: int = connected(CONFIG)
    cat = chelsea()[::2, ::2]
    data = {"left": png_uri(cat), "right": png_uri(np.ascontiguousarray(cat[:100, :120]))}
    label_studio.ask("POST", f"/api/projects/{made}/import", json=[{"data": data}])
    label_studio.retrieve_predictions(made)
    return made


def test_no_region_of_one_image_has_the_id_of_the_others(label_studio, project):
    (prediction,) = label_studio.predictions(project)
    regions = prediction["result"]
    assert {region["to_name"] for region in regions} == {"left", "right"}
    assert max(Counter(region["id"] for region in regions).values()) == 1
    for region in regions:
        width_px = {"left": chelsea().shape[1] // 2 + 1, "right": 120}[region["to_name"]]
        assert decode_region(region).shape[1] == region["original_width"]
        assert abs(region["original_width"] - width_px) <= 1


def test_corrections_of_both_images_are_learned(label_studio, backend, project):
    (prediction,) = label_studio.predictions(project)
    result = [
        {**region, "origin": "prediction-changed"}
        for name in ("left", "right")
        for region in [one for one in prediction["result"] if one["to_name"] == name][:1]
    ]
    learned = backend.metric(LESSONS)
    (task,) = label_studio.tasks(project)
    path = f"/api/tasks/{task['id']}/annotations/?project={project}"
    body = {"result": result, "parent_prediction": prediction["id"]}
    label_studio.ask("POST", path, json=body)
    wait_until(lambda: backend.metric(LESSONS) == learned + 2)
    assert backend.metric(FAILURES) == 0
