"""What is computed for an evaluation, and what teaches."""

import pytest

from backend.evaluation.annotated_tasks import read_annotated
from backend.evaluation.evaluator import Evaluator
from backend.evaluation.task_comparison import TaskComparison
from backend.label_studio.controls import read_controls
from tests.support.annotated_export import cat_on_dog, disk, photo_of
from tests.support.annotations import CONFIG, EVERY_PIXEL


@pytest.fixture
def evaluator(service) -> Evaluator:
    context = service.resolve_context("1.100", EVERY_PIXEL)
    return Evaluator(service.segmenter, service.pages, context, read_controls(CONFIG))


def task(number: int, uri: str, *annotations: dict) -> dict:
    return {"id": number, "data": {"image": uri}, "annotations": list(annotations)}


def test_features_of_an_image_are_computed_once(service, evaluator, png_uri):
    masks = [disk(20), disk(30), disk(40)]
    tasks, _ = read_annotated(
        task(n, png_uri(photo_of(mask)), cat_on_dog(mask)) for n, mask in enumerate(masks)
    )
    found = list(evaluator.with_lessons_of_others(tasks))
    assert [one.task_id for one in found] == [2, 1, 0]  # what was read last is at hand
    counts = service.pages.cache.counts
    assert counts["misses"] == 3


def test_all_annotations_of_a_task_teach(evaluator, png_uri):
    mask = disk(30)
    (one,), _ = read_annotated(
        [task(1, png_uri(photo_of(mask)), cat_on_dog(mask), cat_on_dog(~mask, 2))]
    )
    assert len(evaluator.lessons_of(one, TaskComparison(1))) == 2
