"""A project annotated in a real Label Studio, tuned by its API; what is found is set there."""

import json

import numpy as np
import pytest
from PIL import Image

from backend.commands.cli import main
from backend.label_studio.controls import read_controls
from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.label_vocabulary import vocabulary_of
from model import SegmentSettings
from tests.e2e.conftest import EVERY_PIXEL
from tests.e2e.test_evaluate import region
from tests.support.label_configs import IMAGE, brush_labels, config, labels
from tests.support.label_studio_server import TOKEN

pytestmark = pytest.mark.e2e

CONFIG = config(IMAGE, brush_labels(labels("Cat", "Blanket")))
N_TASKS = 20
SIZE_PX = 160
TODAY = EVERY_PIXEL | {"refiner": "none", "prob_threshold": 1.0}  # so that nothing is predicted
OTHERS = {"color": "red"}  # of another program


@pytest.fixture(scope="module")
def annotated(label_studio, backend, tiny_segmenter, cat, tmp_path_factory) -> int:
    """A connected project; its twenty annotations are what no threshold would have predicted."""
    project = label_studio.new_project("tuned", CONFIG)
    row = label_studio.connect(project, backend.url, extra_params=TODAY | OTHERS)
    assert row["state"] == "CO", row
    folder, photo = tmp_path_factory.mktemp("parts"), Image.open(cat).convert("RGB")
    files = []
    for n in range(N_TASKS):
        left, top = 14 * n, 7 * n
        files.append(folder / f"{n:02}.png")
        photo.crop((left, top, left + SIZE_PX, top + SIZE_PX)).save(files[-1])
    settings, _ = ProjectSettings.from_extra_params(TODAY | {"prob_threshold": 0})
    (control,) = read_controls(CONFIG)
    vocabulary = vocabulary_of(control.labels, settings)
    for task, path in zip(label_studio.upload(project, *files), files, strict=True):
        (found,) = tiny_segmenter(
            [np.array(Image.open(path))], vocabulary, settings.segment_settings(SegmentSettings())
        )
        result = [region(name, mask) for _, name, mask, _ in found.non_empty()]
        url = f"/api/tasks/{task}/annotations/?project={project}"
        label_studio.ask("POST", url, json={"result": result})
    return project


@pytest.fixture
def tune(label_studio, tiny_checkpoint, tmp_path, monkeypatch, capsys):
    """With the model of the running backend; exit code and what is printed."""
    for name, value in {
        "LABEL_STUDIO_URL": label_studio.url,
        "LABEL_STUDIO_API_KEY": TOKEN,
        "CLIP_MODEL": tiny_checkpoint.model,
        "CLIP_PRETRAINED": tiny_checkpoint.pretrained,
        "DATA_DIR": str(tmp_path / "data"),
        "DEVICE": "cpu",
    }.items():
        monkeypatch.setenv(name, value)

    def tune(*arguments: str) -> tuple[int, str]:
        code = main(["tune", *arguments])
        return code, capsys.readouterr().out

    return tune


def extra_params_of(label_studio, project: int) -> dict:
    (row,) = label_studio.ask("GET", f"/api/ml?project={project}")
    assert row["state"] == "CO", row
    return row["extra_params"]


def test_what_serves_better_is_told_and_then_set_in_label_studio(label_studio, annotated, tune):
    before = label_studio.model_version(annotated)
    arguments = ("--project", str(annotated), "--no-lessons", "--keep-method")
    code, said = tune(*arguments)
    assert code == 0
    assert f"project {annotated}: {N_TASKS} tasks" in said
    told = json.loads(said.splitlines()[-1])
    assert "prob_threshold" not in told
    assert told.items() >= OTHERS.items()
    assert extra_params_of(label_studio, annotated) == TODAY | OTHERS

    code, said = tune(*arguments, "--apply")
    assert code == 0, said
    assert extra_params_of(label_studio, annotated) == told
    assert label_studio.model_version(annotated) != before  # so the tasks are predicted anew


def test_a_project_with_too_few_annotations_is_told_how_many_it_needs(label_studio, tune):
    project = label_studio.new_project("new", CONFIG)
    code, said = tune("--project", str(project))
    assert code == 3
    assert "has 0 annotated tasks" in said
    assert "annotate 5 more" in said
