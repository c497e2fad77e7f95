"""With "start training on annotation submission", a submission is in the version it makes."""

import numpy as np
import pytest

from backend.masks.brush_rle import encode_mask
from tests.support.label_configs import CAT_DOG_CONFIG
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture
def submit(label_studio, cat):
    """Submit an annotation of a task: the upper so many rows are a cat; its id."""

    def submit(project: int, task: int, rows_px: int) -> int:
        mask = np.zeros((300, 451), dtype=bool)
        mask[:rows_px] = True
        region = {
            "id": "drawn", "type": "brushlabels", "from_name": "tag", "to_name": "image",
            "original_width": 451, "original_height": 300, "image_rotation": 0,
            "value": {"format": "rle", "rle": encode_mask(mask), "brushlabels": ["Cat"]},
        }  # fmt: skip
        path = f"/api/tasks/{task}/annotations/?project={project}"
        annotation: int = label_studio.ask("POST", path, json={"result": [region]})["id"]
        return annotation

    return submit


def test_the_newest_annotation_is_in_the_version(label_studio, connected, cat, submit):
    """Label Studio says START_TRAINING before it sends the annotation."""
    project = connected(CAT_DOG_CONFIG)
    settings = {"start_training_on_annotation_update": True}
    label_studio.ask("PATCH", f"/api/projects/{project}/", json=settings)
    tasks = label_studio.upload(project, cat, cat)

    submit(project, tasks[0], rows_px=100)
    wait_until(lambda: label_studio.model_version(project).startswith("mem"))
    first = label_studio.model_version(project)

    newest = submit(project, tasks[1], rows_px=200)
    wait_until(lambda: label_studio.model_version(project) != first)
    second = label_studio.model_version(project)

    # A deletion changes the names of the versions that had the annotation's lessons.
    label_studio.ask("DELETE", f"/api/annotations/{newest}/")
    wait_until(lambda: label_studio.model_version(project) != second)
    assert label_studio.model_version(project).startswith("mem")
