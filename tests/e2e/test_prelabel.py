"""A project of a real Label Studio, prelabeled; killed in the middle and gone on with."""

import json
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from tests.support.label_configs import CAT_DOG_CONFIG
from tests.support.label_studio_server import ROOT, TOKEN
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

N_TASKS = 60


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    for n in range(N_TASKS):
        pixels = np.random.default_rng(n).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{n}.png")
    return sorted(folder.iterdir())


@pytest.fixture
def project(label_studio, connected, photos) -> int:
    project = connected(CAT_DOG_CONFIG)
    files = [
        (photo.name, (photo.name, photo.read_bytes())) for photo in photos
    ]  # its field names differ
    path = f"/api/projects/{project}/import?commit_to_project=true"
    label_studio.ask("POST", path, files=files)
    return project


@pytest.fixture
def start(label_studio, backend, tiny_checkpoint, tmp_path):
    """Start `prelabel` beside the backend, with its model and its store."""

    def start(project: int, *options: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "backend", "prelabel", "--project", str(project), *options]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "DATA_DIR": str(backend.log.parent / "data"),
                "DEVICE": "cpu",
                "PRECISION": "float32",  # as the service of the tests
                "CLIP_MODEL": tiny_checkpoint.model,
                "CLIP_PRETRAINED": tiny_checkpoint.pretrained,
                "LABEL_STUDIO_URL": label_studio.url,
                "LABEL_STUDIO_API_KEY": TOKEN,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def predictions_by_task(label_studio, project: int) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for one in label_studio.predictions(project):
        found.setdefault(one["task"], []).append(one["model_version"])
    return found


def test_a_killed_run_is_gone_on_with_and_every_task_has_one_prediction(
    label_studio, project, start
):
    first = start(project)
    wait_until(lambda: len(label_studio.predictions(project)) > 5 or first.poll() is not None, 300)
    first.kill()
    first.communicate()
    n_before = len(label_studio.predictions(project))
    assert 0 < n_before < N_TASKS

    second = start(project)
    said, error = second.communicate(timeout=600)
    assert second.returncode == 0, error
    assert f"{N_TASKS - n_before} predictions made" in said
    assert "note:" not in error  # it is the version of the connected model, and is shown
    found = predictions_by_task(label_studio, project)
    version = label_studio.model_version(project)
    assert Counter(map(tuple, found.values())) == {(version,): N_TASKS}

    # So Label Studio asks for none of them again.
    label_studio.retrieve_predictions(project)
    assert len(label_studio.predictions(project)) == N_TASKS


def test_predictions_are_those_that_retrieve_makes(label_studio, project, start):
    run = start(project, "--limit", "3", "--order", "newest")
    _, error = run.communicate(timeout=600)
    assert run.returncode == 0, error
    ours = label_studio.predictions(project)
    assert len(ours) == 3
    first = min(task["id"] for task in label_studio.tasks(project))
    assert {one["task"] for one in ours} == set(range(first + N_TASKS - 3, first + N_TASKS))
    for one in ours:
        label_studio.ask("DELETE", f"/api/predictions/{one['id']}/")
    path = f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}"
    chosen = {"all": False, "included": [one["task"] for one in ours]}
    label_studio.ask("POST", path, json={"selectedItems": chosen})
    theirs = label_studio.predictions(project)
    key = ("task", "model_version", "score", "result")
    assert sorted(json.dumps([one[k] for k in key]) for one in ours) == sorted(
        json.dumps([one[k] for k in key]) for one in theirs
    )


def test_only_unlabeled_tasks_and_a_dry_run(label_studio, project, start):
    first = min(task["id"] for task in label_studio.tasks(project))
    path = f"/api/tasks/{first}/annotations/?project={project}"
    label_studio.ask("POST", path, json={"result": []})
    run = start(project, "--only-unlabeled", "--dry-run")
    said, error = run.communicate(timeout=600)
    assert run.returncode == 0, error
    assert f"{N_TASKS - 1} tasks lack a prediction" in said
    assert label_studio.predictions(project) == []
