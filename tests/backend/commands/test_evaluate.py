"""Annotated tasks of an export or of Label Studio, predicted as if they had taught nothing."""

import json
import re

import pytest

from backend.label_studio.controls import read_controls
from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.label_vocabulary import vocabulary_of
from model import SegmentSettings
from tests.support.annotated_export import (
    Export,
    annotation_of,
    cat_on_dog,
    disk,
    photo_of,
)
from tests.support.annotations import CONFIG, rectangle
from tests.support.fake_label_studio import LEGACY, Reply, as_json
from tests.support.label_configs import CAT_DOG_CONFIG

# Without negatives and thresholds every pixel has a label, whatever the weights.
EVERY_PIXEL = json.dumps(
    {"auto_negatives": False, "min_region_px": 1, "prob_threshold": 0, "area_threshold": 0}
)
PARAMS = ("--extra-params", EVERY_PIXEL)


@pytest.fixture
def export(tmp_path) -> Export:
    return Export(tmp_path)


@pytest.fixture
def evaluate(run, export, tmp_path):
    """Evaluate the export: exit code, stdout, stderr, and the JSON or None."""

    def evaluate(*options: str):
        export.write()
        path = tmp_path / "out" / "numbers.json"
        code, said, error = run(
            *export.arguments(*PARAMS, "--json", str(path), *options),
            LOCAL_FILES_DOCUMENT_ROOT=str(export.images),
            LABEL_STUDIO_URL="http://127.0.0.1:9",
        )
        return code, said, error, json.loads(path.read_text()) if path.exists() else None

    return evaluate


def test_lessons_of_the_others_are_told_from_words_alone(evaluate, export):
    """By the weights of the test, "Cat" is what is bright; by these people, what is dark."""
    for center_x in (20, 30, 40, 44):
        export.add(photo_of(disk(center_x)), cat_on_dog(~disk(center_x)))
    code, said, error, numbers = evaluate()
    assert code == 0
    assert [task["task"] for task in numbers["tasks"]] == [1, 2, 3, 4]
    assert numbers["lessons"]["miou"] > 0.9
    assert numbers["words"]["miou"] < 0.1
    assert (numbers["words"]["pieces"], numbers["lessons"]["pieces"]) == (16, 0)
    assert numbers["words"]["labels"]["Cat"]["images"] == 4
    assert f"{numbers['lessons']['miou']:.3f}" in said
    assert "each task with the lessons of all others" in said
    assert "predictions of task 1, 4 of 4" in error


def test_what_a_task_teaches_does_not_count_for_itself(evaluate, export):
    """Two tasks that teach the opposite: each is predicted as the other one has it."""
    mask = disk(30)
    export.add(photo_of(mask), cat_on_dog(mask))
    export.add(photo_of(disk(34)), cat_on_dog(~disk(34)))
    _, _, _, numbers = evaluate()
    assert numbers["lessons"]["miou"] < 0.1


def test_what_words_alone_predict_is_compared_exactly(evaluate, export, tiny_segmenter):
    """People left the prediction of one task as it is, and had the labels of another swapped."""
    settings = ProjectSettings.from_extra_params(EVERY_PIXEL)[0]
    (control,) = read_controls(CAT_DOG_CONFIG)
    photo = photo_of(disk(30))
    (found,) = tiny_segmenter(
        [photo],
        vocabulary_of(control.labels, settings),
        settings.segment_settings(SegmentSettings()),
    )
    cat, dog = found.mask(0), found.mask(1)
    export.add(photo, annotation_of({"c": cat, "Dog": dog}))
    code, _, _, numbers = evaluate("--no-lessons")
    assert code == 0
    assert numbers["lessons"] is None
    assert (numbers["words"]["miou"], numbers["words"]["pieces"]) == (1, 0)
    export.add(photo, annotation_of({"c": dog, "Dog": cat}))
    _, _, _, numbers = evaluate("--no-lessons")
    assert [task["words"]["miou"] for task in numbers["tasks"]] == [1, 0]
    cat_share = cat.mean()
    both = numbers["words"]["labels"]["Cat"]
    assert both["iou"] == pytest.approx(cat_share / (cat_share + 1), abs=1e-3)


def test_more_than_twenty_tasks_are_left_out_in_folds(evaluate, export):
    for n in range(21):
        export.add(photo_of(disk(16 + n)), cat_on_dog(disk(16 + n)))
    _, said, _, numbers = evaluate()
    assert "with the lessons of the 4 of 5 folds that it is not in" in said
    assert len(numbers["tasks"]) == 21
    assert numbers["lessons"]["miou"] > 0.9


def test_an_image_that_cannot_be_loaded_is_named_and_the_rest_is_evaluated(evaluate, export):
    for photo in (photo_of(disk(20)), None, photo_of(disk(40))):
        export.add(photo, cat_on_dog(disk(20) if photo is None else photo[..., 0] > 100))
    code, said, error, numbers = evaluate()
    assert code == 0
    assert "Left out: task 2:" in said
    assert 'task 2: image "image": ' in error
    assert [task["images"] for task in numbers["tasks"]] == [1, 0, 1]
    assert numbers["images"] == 2


def test_what_is_no_mask_is_not_compared(evaluate, export):
    mask = disk(30)
    export.add(photo_of(mask), cat_on_dog(mask))
    boxed = annotation_of({"c": mask})
    boxed["result"].append(rectangle("Dog"))
    export.add(photo_of(mask), boxed)
    _, said, _, numbers = evaluate()
    assert list(numbers["tasks"][1]["words"]["labels"]) == ["Cat"]
    assert "'Dog' is not compared: a rectangle or ellipse is no mask of it" in said


def test_an_empty_annotation_says_that_nothing_is_there(evaluate, export):
    export.add(photo_of(disk(30)), annotation_of({}))
    _, _, _, numbers = evaluate("--no-lessons")
    assert numbers["words"]["miou"] == 0
    assert numbers["words"]["labels"]["Cat"]["recall"] is None


def test_the_page_has_the_worst_tasks_and_needs_nothing_else(evaluate, export, tmp_path):
    for center_x in range(14, 50, 3):
        export.add(photo_of(disk(center_x)), cat_on_dog(disk(center_x)))
    path = tmp_path / "page" / "evaluation.html"
    code, said, _, _ = evaluate("--html", str(path))
    page = path.read_text(encoding="utf-8")
    assert code == 0
    assert f"page: {path}" in said
    assert page.count("<h3>Task ") == 10
    assert page.count('src="data:image/jpeg;base64,') == 30
    assert not re.findall(r'(?:src|href)="(?!data:)|url\(|@import|<script|<link', page)


@pytest.mark.parametrize(
    ("n_tasks", "options", "said"),
    [
        (0, (), "export.json has no annotated task to compare with"),
        (1, (), "has one annotated task, and leaving one out needs two"),
        (2, ("--extra-params", '{"method": "clap"}'), "method cannot be"),
        (2, ("--extra-params", '{"color": 1}'), "'color' is not known"),
        (2, ("--label-config", "gone.xml"), "--label-config gone.xml cannot be read"),
        (2, ("--html", "."), "--html . is a folder"),
    ],
)
def test_what_cannot_be_evaluated_is_one_sentence(evaluate, export, n_tasks, options, said):
    for n in range(n_tasks):
        export.add(photo_of(disk(20 + n)), cat_on_dog(disk(20 + n)))
    code, _, error, numbers = evaluate(*options)
    assert code == 1
    assert error.startswith("firstpass: ")
    assert said in error
    assert numbers is None


def test_tasks_whose_images_are_all_gone_are_said(evaluate, export):
    for _ in range(2):
        export.add(None, cat_on_dog(disk(30)))
    code, _, error, _ = evaluate()
    assert code == 1
    assert "Only 0 of 2 annotated tasks can be learned from" in error
    code, _, error, _ = evaluate("--no-lessons")
    assert code == 1
    assert "No task of export.json can be compared: task 1: image" in error


def test_an_export_needs_its_labeling_config(run, export):
    export.add(photo_of(disk(20)), cat_on_dog(disk(20)))
    export.write()
    code, _, error = run("evaluate", "--export", str(export.file))
    assert code == 1
    assert "--export needs --label-config FILE" in error


@pytest.fixture
def project_12(studio, export):
    """Label Studio with project 12, which lists its annotated tasks in pages of ten."""
    for n in range(12):
        export.add(photo_of(disk(16 + n)), cat_on_dog(disk(16 + n)))

    def list_tasks(asked) -> Reply:
        page = int(re.findall(r"[?&]page=(\d+)", asked.path)[0])
        return as_json({"tasks": export.tasks[page * 10 - 10 : page * 10], "total": 12})

    studio.pages["/api/tasks"] = list_tasks
    studio.pages["/api/projects/12/"] = as_json(
        {"id": 12, "created_at": "1970-01-01T00:03:20Z", "label_config": CONFIG}
    )
    return studio


def test_a_project_is_read_from_label_studio(run, project_12, export, tmp_path):
    path = tmp_path / "numbers.json"
    code, said, error = run(
        "evaluate", "--project", "12", "--json", str(path), *PARAMS,
        LABEL_STUDIO_URL=project_12.url, LABEL_STUDIO_API_KEY=LEGACY,
        LOCAL_FILES_DOCUMENT_ROOT=str(export.images),
    )  # fmt: skip
    assert code == 0, error
    numbers = json.loads(path.read_text())
    assert numbers["source"] == "project 12"
    assert [task["task"] for task in numbers["tasks"]] == list(range(1, 13))
    assert numbers["lessons"]["miou"] > 0.9
    assert "12 tasks, 12 images" in said
    assert not [asked for asked in project_12.asked if asked.method != "GET"]


def test_an_unknown_project_is_said(run, studio):
    code, _, error = run(
        "evaluate", "--project", "57", LABEL_STUDIO_URL=studio.url, LABEL_STUDIO_API_KEY=LEGACY
    )
    assert code == 1
    assert "has no project 57, or its token may not see it" in error


def test_a_label_studio_that_does_not_answer_is_said(run):
    code, _, error = run("evaluate", "--project", "57", LABEL_STUDIO_URL="http://127.0.0.1:9")
    assert code == 1
    assert "does not answer" in error
