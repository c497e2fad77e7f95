"""Settings for a project, found by its annotated tasks, told or set in Label Studio."""

import json

import numpy as np
import pytest

from backend.label_studio.controls import read_controls
from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.label_vocabulary import vocabulary_of
from model import METHODS, SegmentSettings
from tests.support.annotated_export import Export, annotation_of, cat_on_dog, disk, photo_of
from tests.support.annotations import CONFIG
from tests.support.fake_label_studio import LEGACY, Reply, as_json

BEST = {
    "auto_negatives": False,
    "min_region_px": 0,
    "min_score": 0.0,  # the tiny model's masks are arbitrary
    "area_threshold": 0.0,
    "refiner": "none",
}
# No pixel is as sure as that, so nothing is predicted.
TODAY = {**BEST, "prob_threshold": 1.0}
OTHERS = {"color": "red"}  # of another program
WORDS = ("--no-lessons", "--keep-method")


@pytest.fixture
def export(tmp_path) -> Export:
    return Export(tmp_path)


@pytest.fixture
def predicted_by_best(export, tiny_segmenter):
    """Six tasks whose annotations are what other settings than today's predict by words alone."""
    settings, _ = ProjectSettings.from_extra_params(BEST)
    (control,) = read_controls(CONFIG)
    vocabulary = vocabulary_of(control.labels, settings)
    random = np.random.default_rng(0)
    for n in range(6):
        photo = photo_of(disk(18 + 5 * n))
        photo = np.clip(photo + random.normal(0, 40, photo.shape), 0, 255).astype(np.uint8)
        (found,) = tiny_segmenter([photo], vocabulary, settings.segment_settings(SegmentSettings()))
        export.add(photo, annotation_of({"c": found.mask(0), "Dog": found.mask(1)}))
    return export


@pytest.fixture
def tune(run, export):
    """Tune for the export: exit code, stdout, stderr."""

    def tune(*options: str):
        export.write()
        return run(
            "tune", *export.arguments(*options)[1:], LOCAL_FILES_DOCUMENT_ROOT=str(export.images),
            LABEL_STUDIO_URL="http://127.0.0.1:9", PRECISION="float32",
        )  # fmt: skip

    return tune


@pytest.fixture
def project_12(studio, predicted_by_best):
    """Label Studio with project 12 and its ML backend: params are `TODAY` and `OTHERS`."""
    predicted_by_best.write()
    tasks = predicted_by_best.tasks
    backend = {
        "id": 5,
        "url": "http://10.0.0.5:9090",
        "project": 12,
        "extra_params": TODAY | OTHERS,
    }

    def change(asked) -> Reply:
        if asked.method == "PATCH":
            backend.update(json.loads(asked.body))
        return as_json(backend)

    studio.pages["/api/tasks"] = as_json({"tasks": tasks, "total": len(tasks)})
    studio.pages["/api/projects/12/"] = as_json(
        {"id": 12, "created_at": "1970-01-01T00:03:20Z", "label_config": CONFIG}
    )
    studio.pages["/api/ml/?project=12"] = lambda _: as_json([backend])
    studio.pages["/api/ml/5"] = change
    studio.backend = backend
    return studio


@pytest.fixture
def tune_12(run, project_12, export):
    def tune(*options: str):
        return run(
            "tune", "--project", "12", *WORDS, *options,
            LABEL_STUDIO_URL=project_12.url, LABEL_STUDIO_API_KEY=LEGACY,
            LOCAL_FILES_DOCUMENT_ROOT=str(export.images), PRECISION="float32",
        )  # fmt: skip

    return tune


def test_settings_that_serve_better_are_found_and_the_others_kept(tune, predicted_by_best):
    code, said, error = tune(*WORDS, "--extra-params", json.dumps(TODAY))
    assert code == 0, error
    assert "+1.000 (+1.000 to +1.000) in mIoU for tasks that took no part in choosing" in said
    params = json.loads(said.splitlines()[-1])
    assert params == BEST
    assert "* prob_threshold the method's  1.000" in said
    assert "prob_threshold: 7 settings: predictions of task" in error


@pytest.fixture
def found_by_lessons(export):
    for center_x in (18, 24, 30, 36, 42):
        export.add(photo_of(disk(center_x)), cat_on_dog(disk(center_x)))


@pytest.mark.usefixtures("found_by_lessons")
def test_where_lessons_find_all_there_is_to_find_nothing_is_changed(tune):
    params = BEST | {"refiner": "guided"}  # without one, patches round the edges: mIoU 0.983
    code, said, error = tune("--keep-method", "--extra-params", json.dumps(params))
    assert code == 0, error
    assert "Keep what you have" in said
    assert "each task with the lessons of all others" in said
    assert "method" not in said.replace("the method's", "")


@pytest.mark.slow
@pytest.mark.usefixtures("found_by_lessons")
def test_every_method_can_be_tried(tune):
    _, said, _ = tune("--extra-params", json.dumps(BEST))
    for method in set(METHODS) - {"firstpass"}:
        assert f" method {method} " in said
    assert "Cannot be used" not in said


def test_too_few_tasks_to_know_have_an_exit_code_of_their_own(tune, export):
    for center_x in (20, 30, 40):
        export.add(photo_of(disk(center_x)), cat_on_dog(disk(center_x)))
    code, said, error = tune()
    assert code == 3
    assert "has 3 annotated tasks that can be compared" in said
    assert "annotate 2 more" in said
    assert "loading" not in error  # nobody waits for a model in vain


def test_tasks_that_cannot_be_compared_are_not_counted(tune, export):
    for center_x in (18, 24, 30, 36):
        export.add(photo_of(disk(center_x)), cat_on_dog(disk(center_x)))
    export.add(None, cat_on_dog(disk(30)))
    code, said, _ = tune("--keep-method")
    assert code == 3
    assert "has 4 annotated tasks that can be compared: task 5: image" in said


def test_without_time_today_is_all_that_is_measured(tune, predicted_by_best):
    code, said, _ = tune(*WORDS, "--extra-params", json.dumps(TODAY), "--max-minutes", "1e-9")
    assert code == 0
    assert (
        "Not tried, for want of time (--max-minutes): auto_negatives, templates, logit_scale"
        in said
    )
    assert "Keep what you have" in said


def test_of_many_tasks_some_are_taken(tune, export):
    for n in range(9):
        export.add(photo_of(disk(18 + 3 * n)), cat_on_dog(disk(18 + 3 * n)))
    _, said, error = tune("--keep-method", "--max-tasks", "5", "--max-minutes", "1e-9")
    assert "5 of 9 annotated tasks" in error
    assert ": 5 tasks, " in said


def test_a_project_of_label_studio_is_told_its_extra_params_and_nothing_is_set(tune_12, project_12):
    code, said, error = tune_12()
    assert code == 0, error
    assert "settings in Label Studio" in said
    assert json.loads(said.splitlines()[-1]) == BEST | OTHERS
    assert not [asked for asked in project_12.asked if asked.method != "GET"]


def test_apply_sets_what_is_recommended_and_keeps_params_of_others(tune_12, project_12):
    code, said, error = tune_12("--apply")
    assert code == 0, error
    assert "Set in Label Studio" in said
    assert project_12.backend["extra_params"] == BEST | OTHERS
    code, said, _ = tune_12("--apply")
    assert "Keep what you have" in said
    assert len([asked for asked in project_12.asked if asked.method == "PATCH"]) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--apply",), "--apply changes the extra params that a project has in Label Studio"),
        (("--max-tasks", "4"), "these must be at least 5, and more than 0"),
        (("--max-minutes", "0"), "these must be at least 5, and more than 0"),
    ],
)
def test_options_that_cannot_be_used_are_said(tune, export, options, said):
    code, _, error = tune(*options)
    assert code == 1
    assert said in error


def test_a_project_without_a_model_has_nothing_to_apply_to(tune_12, project_12):
    project_12.pages["/api/ml/?project=12"] = as_json([])
    code, _, error = tune_12("--apply")
    assert code == 1
    assert "connect this backend to it" in error
