"""What an annotation says of the labels of one image, and what is compared with it."""

import numpy as np
import pytest

from backend.evaluation.task_comparison import PageComparison, TaskComparison, drawn_masks
from backend.label_studio.controls import read_controls
from backend.label_studio.webhook_events import read_annotation
from backend.prediction.task_targets import read_targets
from tests.support.annotated_export import HW, annotation_of, disk
from tests.support.annotations import CONFIG, region

MASK = disk(30)


@pytest.fixture(scope="module")
def target():
    (target,), _ = read_targets(read_controls(CONFIG), 5, {"image": "a.png"})
    return target


def drawn(target, raw):
    task = {"id": 5, "data": {"image": "a.png"}}
    return drawn_masks(read_annotation(raw, {"annotation": raw, "task": task}), target, HW)


def test_a_label_that_is_not_drawn_is_nowhere(target):
    found = drawn(target, annotation_of({"c": MASK}))
    assert np.array_equal(found.masks["Cat"], MASK)
    assert not found.masks["Dog"].any()
    assert found.left_out == ()


def test_a_damaged_region_costs_its_label_alone(target):
    raw = annotation_of({"c": MASK})
    raw["result"].append(region("Dog", MASK) | {"original_width": 63})
    found = drawn(target, raw)
    assert list(found.masks) == ["Cat"]
    assert "'Dog' is not compared: region 'r-Dog'" in found.left_out[0]


def test_an_annotation_of_choices_says_nothing_of_masks(target):
    raw = annotation_of({})
    raw["result"] = [
        {"type": "choices", "from_name": "x", "to_name": "image", "value": {"choices": ["a"]}}
    ]
    assert drawn(target, raw) is None


def test_what_is_predicted_of_labels_that_are_not_compared_does_not_count():
    image = np.zeros((*HW, 3), dtype=np.uint8)
    page = PageComparison("image", image, {"Cat": MASK}, {"Dog": MASK}, {"Cat": MASK})
    task = TaskComparison(5, [page, page])
    assert task.by_words["Cat"].iou == 0
    assert list(task.by_words) == ["Cat"]
    assert task.by_lessons is not None
    assert task.by_lessons["Cat"].iou == 1
    assert task.by_lessons["Cat"].images == 2
