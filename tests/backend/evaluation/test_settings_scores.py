"""Scores of many settings at once: the same numbers as an evaluation of each, for less work."""

import math

import pytest

from backend.errors import OutOfTime
from backend.evaluation.annotated_tasks import read_annotated
from backend.evaluation.evaluator import Evaluator
from backend.evaluation.settings_scores import SettingsScores, settings_key
from backend.label_studio.controls import read_controls
from backend.label_studio.project_settings import ProjectSettings
from tests.support.annotated_export import cat_on_dog, disk, photo_of
from tests.support.annotations import CONFIG, EVERY_PIXEL

N_TASKS = 4


def variant(**changes) -> ProjectSettings:
    return EVERY_PIXEL.model_copy(update=changes)


@pytest.fixture
def context(service):
    return lambda settings: service.resolve_context("1.100", settings)


@pytest.fixture
def tasks(png_uri):
    rows = [
        {"id": n, "data": {"image": png_uri(photo_of(disk(20 + 6 * n)))},
         "annotations": [cat_on_dog(disk(22 + 6 * n))]}
        for n in range(N_TASKS)
    ]  # fmt: skip
    found, _ = read_annotated(rows)
    return found


@pytest.fixture
def scores_of(service, context):
    """Measured with today's settings."""

    def make(tasks, uses_lessons: bool = True, clock=lambda: 0.0) -> SettingsScores:
        evaluator = Evaluator(
            service.segmenter, service.pages, context(EVERY_PIXEL), read_controls(CONFIG)
        )
        scores = SettingsScores(evaluator, tasks, uses_lessons, clock)
        scores.measure_today()
        return scores

    return make


@pytest.mark.parametrize("uses_lessons", [True, False])
def test_scores_are_those_of_an_evaluation(service, scores_of, context, tasks, uses_lessons):
    scores = scores_of(tasks, uses_lessons)
    other = context(variant(prob_threshold=0.7, refiner="none"))
    scores.add([other, context(variant(refiner="guided"))], "", math.inf)
    evaluator = Evaluator(service.segmenter, service.pages, other, read_controls(CONFIG))
    run = evaluator.with_lessons_of_others if uses_lessons else evaluator.by_words_alone
    expected = {one.task_id: one.by_lessons or one.by_words for one in run(tasks)}
    assert dict(zip(range(N_TASKS), scores.of(other), strict=True)) == expected


def test_features_are_computed_once_for_settings_that_share_them(
    service, scores_of, context, tasks
):
    scores = scores_of(tasks)
    counts = service.pages.cache.counts
    same = [context(variant(refiner=name)) for name in ("none", "guided", "pamr")]
    scores.add(same, "", math.inf)
    scores.add([context(variant(prob_threshold=0.3))], "", math.inf)
    assert counts["misses"] == N_TASKS
    scores.add([context(variant(method="clip"))], "", math.inf)
    assert counts["misses"] == 2 * N_TASKS


def test_equal_settings_under_two_names_are_known(scores_of, context, tasks):
    scores = scores_of(tasks)
    assert scores.is_known(context(variant(method="firstpass")))
    assert not scores.is_known(context(variant(method="clip")))


def test_tasks_that_teach_nothing_are_left_out_with_their_reason(scores_of, tasks):
    (gone,), _ = read_annotated(
        [{"id": 9, "data": {"image": "gone.png"}, "annotations": [cat_on_dog(disk(30))]}]
    )
    scores = scores_of([*tasks, gone])
    assert len(scores.tasks) == N_TASKS
    (reason,) = scores.reasons()
    assert reason.startswith('task 9: image "image": ')


def test_settings_under_which_a_task_fails_have_no_scores(scores_of, context, tasks, monkeypatch):
    """The store of images loses one, after today's settings were measured."""
    scores = scores_of(tasks)
    lost = next(iter(tasks[1].data))
    tasks[1].data[lost] = "gone.png"
    other = context(variant(refiner="none"))
    scores.add([other], "", math.inf)
    assert settings_key(other) not in scores.scores
    assert "gone.png" in scores.failures[settings_key(other)]


def test_at_the_deadline_nothing_half_done_is_kept(scores_of, context, tasks):
    now_s = iter(range(1000))
    scores = scores_of(tasks, clock=lambda: float(next(now_s)))
    other = context(variant(refiner="none"))
    with pytest.raises(OutOfTime):
        scores.add([other], "", float(next(now_s)) + 3)
    assert not scores.is_known(other)


def test_memories_of_features_that_nothing_uses_are_dropped(scores_of, context, tasks):
    scores = scores_of(tasks)
    clip = context(variant(method="clip"))
    scores.add([clip], "", math.inf)
    scores.forget_memories(but=[clip])
    assert list(scores._memories) == [clip.space]
