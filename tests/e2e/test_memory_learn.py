"""`memory learn` on a project that was annotated in a real Label Studio before it was connected."""

import numpy as np
import pytest

from backend.commands.cli import main
from backend.label_studio.later_events import is_bulk
from backend.masks.brush_rle import encode_mask
from tests.e2e.conftest import EVERY_PIXEL
from tests.support.label_configs import CAT_DOG_CONFIG
from tests.support.label_studio_server import TOKEN
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e


def drawn(rows_px: int) -> dict:
    """A region: the upper so many rows of the photo are a cat."""
    mask = np.zeros((300, 451), dtype=bool)
    mask[:rows_px] = True
    return {
        "id": "drawn", "type": "brushlabels", "from_name": "tag", "to_name": "image",
        "original_width": 451, "original_height": 300, "image_rotation": 0,
        "value": {"format": "rle", "rle": encode_mask(mask), "brushlabels": ["Cat"]},
    }  # fmt: skip


@pytest.fixture
def annotated(label_studio, cat) -> tuple[int, list[int]]:
    """A project of three annotated tasks, a skipped one and an open one, and its tasks."""
    project = label_studio.new_project("annotated before", CAT_DOG_CONFIG)
    tasks = label_studio.upload(project, *[cat] * 5)
    bodies = [{"result": [drawn(rows)], "lead_time": 4.2} for rows in (80, 120, 160)]
    for task, body in zip(tasks, [*bodies, {"result": [], "was_cancelled": True}], strict=False):
        label_studio.ask("POST", f"/api/tasks/{task}/annotations/?project={project}", json=body)
    return project, tasks


@pytest.fixture
def learn(label_studio, backend, tiny_checkpoint, monkeypatch, capsys):
    """Run the command beside the backend; what it says."""
    for name, value in {
        "LABEL_STUDIO_URL": label_studio.url,
        "LABEL_STUDIO_API_KEY": TOKEN,
        "DATA_DIR": str(backend.log.parent / "data"),
        "CLIP_MODEL": tiny_checkpoint.model,
        "CLIP_PRETRAINED": tiny_checkpoint.pretrained,
        "DEVICE": "cpu",
        "PRECISION": "float32",
    }.items():
        monkeypatch.setenv(name, value)

    def learn(project: int) -> tuple[int, str, str]:
        code = main(["memory", "learn", str(project)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return learn


def test_a_project_that_was_annotated_before_teaches(label_studio, backend, annotated, learn):
    project, tasks = annotated
    code, _, error = learn(project)
    assert code == 1
    assert f"Project {project} is not known here" in error

    label_studio.connect(project, backend.url, extra_params=EVERY_PIXEL)
    assert not label_studio.model_version(project).startswith("mem")
    code, said, error = learn(project)
    assert (code, said.partition(" are in the queue")[0]) == (
        0, f"3 annotations of 'annotated before' (project {project})"
    )  # fmt: skip
    assert "note:" not in error  # Label Studio's model is at the version that the command makes
    wait_until(lambda: label_studio.model_version(project).startswith("mem1-"))
    assert "Left out: 3 learned already." in learn(project)[1]
    assert not [
        row for row in backend.ask("GET", "/ready").json()["agreement"]
        if row["project"].startswith(f"{project}.")
    ]  # fmt: skip

    # What Label Studio makes of predictions in bulk is told from what people submitted.
    label_studio.retrieve_predictions(project)
    path = f"/api/dm/actions?id=predictions_to_annotations&project={project}"
    label_studio.ask("POST", path, json={"selectedItems": {"all": False, "included": tasks[4:]}})
    stored = {task["id"]: task["annotations"] for task in label_studio.tasks(project)}
    assert [is_bulk(one) for one in stored[tasks[4]]] == [True]
    assert [is_bulk(one) for task in tasks[:3] for one in stored[task]] == [False] * 3
