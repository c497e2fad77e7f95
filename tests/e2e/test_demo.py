"""`python -m backend demo` in a real Label Studio: photos with masks, clicks, once."""

import os
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from backend.sample_photos.photos import SAMPLE_PHOTOS
from tests.support.label_studio_server import ROOT, TOKEN
from tests.support.request_bodies import click

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def starter(label_studio, make_running):
    """The service as it ships, so that the masks mean something."""
    return make_running(
        CLIP_MODEL="starter",
        CLIP_PRETRAINED="",
        LABEL_STUDIO_URL=label_studio.url,
        LABEL_STUDIO_API_KEY=TOKEN,
    )


def run_demo(label_studio, starter) -> subprocess.CompletedProcess:
    environment = {
        **os.environ,
        "PORT": str(urlsplit(starter.url).port),
        "LABEL_STUDIO_URL": label_studio.url,
        "LABEL_STUDIO_API_KEY": TOKEN,
    }
    return subprocess.run(
        [sys.executable, "-m", "backend", "demo"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240,
    )  # fmt: skip


def test_the_demo_makes_a_project_whose_photos_have_masks(label_studio, starter):
    done = run_demo(label_studio, starter)
    assert done.returncode == 0, done.stderr
    (project,) = [
        row["id"]
        for row in label_studio.ask("GET", "/api/projects/")["results"]
        if row["title"] == "Firstpass demo"
    ]
    assert f"{label_studio.url}/projects/{project}/data" in done.stdout
    tasks = label_studio.tasks(project)
    assert len(tasks) == len(SAMPLE_PHOTOS)
    predictions = label_studio.predictions(project)
    assert {one["task"] for one in predictions} == {task["id"] for task in tasks}
    found = {region["value"]["brushlabels"][0] for one in predictions for region in one["result"]}
    assert {"Cat", "Cup", "Sky", "Person"} <= found

    (model,) = label_studio.ask("GET", f"/api/ml?project={project}")
    answer = label_studio.ask(
        "POST",
        f"/api/ml/{model['id']}/interactive-annotating",
        json={"task": tasks[0]["id"], "context": {"result": [click(50, 40, "Cup")]}},
    )
    assert answer["data"]["result"][0]["value"]["brushlabels"] == ["Cup"]

    again = run_demo(label_studio, starter)
    assert again.returncode == 0, again.stderr
    assert len(label_studio.tasks(project)) == len(SAMPLE_PHOTOS)
    assert len(label_studio.predictions(project)) == len(predictions)
