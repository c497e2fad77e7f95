"""A project annotated in a real Label Studio, evaluated by its API and by its JSON export."""

import json

import numpy as np
import pytest
from PIL import Image

from backend.commands.cli import main
from backend.evaluation.report import ALL_LABELS
from backend.masks.brush_rle import encode_mask
from tests.support.label_configs import IMAGE, brush_labels, config, labels
from tests.support.label_studio_server import TOKEN

pytestmark = pytest.mark.e2e

CONFIG = config(IMAGE, brush_labels(labels("Cat", "Blanket")))


def variants(cat):
    """Six photos of the cat: turned, brighter, cut."""
    photo = Image.open(cat).convert("RGB")
    return [
        photo,
        photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        photo.point(lambda value: min(value * 1.2, 255)),
        photo.point(lambda value: value * 0.8),
        photo.crop((20, 10, 430, 290)),
        photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).crop((10, 20, 420, 280)),
    ]


def region(label: str, mask: np.ndarray) -> dict:
    height, width = mask.shape
    value = {"format": "rle", "rle": encode_mask(mask), "brushlabels": [label]}
    return {
        "from_name": "tag", "to_name": "image", "type": "brushlabels", "id": label,
        "original_width": width, "original_height": height, "image_rotation": 0, "value": value,
    }  # fmt: skip


@pytest.fixture(scope="module")
def annotated(label_studio, cat, tmp_path_factory) -> int:
    """A project of seven tasks: six annotated, one of them twice, one not."""
    folder = tmp_path_factory.mktemp("variants")
    project = label_studio.new_project("evaluated", CONFIG)
    photos = []
    for n, photo in enumerate([*variants(cat), Image.open(cat)]):
        photo.save(folder / f"{n}.png")
        photos.append(folder / f"{n}.png")
    tasks = label_studio.upload(project, *photos)
    for task, path in zip(tasks[:6], photos[:6], strict=True):
        image = np.asarray(Image.open(path))
        reddish = image[..., 0].astype(int) - image[..., 2] > 60  # fur, more or less
        result = [region("Cat", reddish), region("Blanket", ~reddish)]
        url = f"/api/tasks/{task}/annotations/?project={project}"
        if task == tasks[0]:
            label_studio.ask("POST", url, json={"result": [region("Cat", ~reddish)]})
        label_studio.ask("POST", url, json={"result": result})
    label_studio.ask(
        "POST",
        f"/api/tasks/{tasks[6]}/annotations/?project={project}",
        json={"result": [], "was_cancelled": True},
    )
    return project


@pytest.fixture
def evaluate(label_studio, tmp_path, monkeypatch):
    """With the starter; the numbers of the JSON."""
    for name, value in {
        "LABEL_STUDIO_URL": label_studio.url,
        "LABEL_STUDIO_API_KEY": TOKEN,
        "DATA_DIR": str(tmp_path / "data"),
        "DEVICE": "cpu",
    }.items():
        monkeypatch.setenv(name, value)

    def evaluate(*arguments: str):
        path = tmp_path / "numbers.json"
        page = tmp_path / "page.html"
        assert main(["evaluate", *arguments, "--json", str(path), "--html", str(page)]) == 0
        assert page.read_text(encoding="utf-8").count("<h3>Task ") == 6
        return json.loads(path.read_text())

    return evaluate


def test_every_annotated_task_is_evaluated_by_the_api_as_by_the_export(
    label_studio, annotated, evaluate, tmp_path, capsys
):
    numbers = evaluate("--project", str(annotated))
    assert len(numbers["tasks"]) == 6
    assert all(task["images"] == 1 and not task["left_out"] for task in numbers["tasks"])
    assert numbers["lessons"]["miou"] > numbers["words"]["miou"]
    assert ALL_LABELS in capsys.readouterr().out

    export = tmp_path / "export.json"
    path = f"/api/projects/{annotated}/export?exportType=JSON"
    export.write_text(json.dumps(label_studio.ask("GET", path)))
    config_file = tmp_path / "config.xml"
    config_file.write_text(CONFIG)
    again = evaluate("--export", str(export), "--label-config", str(config_file))
    for key in ("words", "lessons", "tasks"):
        assert again[key] == numbers[key]
