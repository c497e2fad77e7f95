"""What of an annotation cannot be used costs nothing else of it."""

import numpy as np
import pytest

from tests.support.annotations import CONFIG, EVERY_PIXEL, KEY, PROJECT, TRAIN, region, taught
from tests.support.label_configs import CAT_DOG, brush_labels, config
from tests.support.logs import warnings_of

PAGES = PROJECT | {
    "label_config": config('<Image name="image" valueList="$pages"/>', brush_labels())
}
DAMAGED = region("Dog", np.ones((9, 9), bool), id="odd")  # of another size


def labels_taught(learner) -> list[tuple[str, ...]]:
    lessons = learner.lessons.index(KEY).annotations["1"].lessons
    return [tuple(ref.labels) for ref in lessons]


def test_a_damaged_region_is_left_out_with_one_line(learner, send, corrected, mask, caplog):
    send(corrected(result=[DAMAGED, region("c", mask)]))
    assert labels_taught(learner) == [("Cat",)]
    assert warnings_of(caplog) == [
        "annotation 1 of task 5 is learned from only in part: region 'odd': "
        "It is of an image of 9 x 9 pixels, but the task's has 64 x 48."
    ]
    (failure,) = [one for one in learner.failures.as_json() if one["code"] == "request"]
    assert failure["message"] == warnings_of(caplog)[0]


def test_a_task_whose_image_has_another_size_by_now_is_learned_from(
    learner, service, send, corrected, photo_uri, png_uri, caplog
):
    tasks = [{"id": 5, "data": {"image": photo_uri}}]
    service.annotator.predict(tasks, CONFIG, EVERY_PIXEL, project_id=KEY)
    drawn = np.zeros((32, 40), bool)
    drawn[5:20, 5:20] = True
    for n in (1, 2):
        event = corrected(n, result=[region("c", drawn)], parent_prediction=3)
        send(event | {"task": {"id": 5, "data": {"image": png_uri(np.full((32, 40, 3), n, "u1"))}}})
    assert taught(learner) == ["1", "2"]
    (line,) = warnings_of(caplog)
    assert "its image has 40 x 32 pixels, and had 64 x 48 when it was predicted" in line


def test_an_annotation_of_damaged_regions_alone_is_set_aside(learner, send, corrected, caplog):
    send(corrected(result=[DAMAGED]))
    assert taught(learner) == []
    assert learner.counts["set_aside"] == 1
    assert "annotation 1 of task 5 is set aside: region 'odd'" in caplog.text


@pytest.fixture
def on_pages(corrected, mask):
    """An event of an annotation of the first and second of these pages."""

    def make(*pages: str, **more):
        result = [region("c", mask, item_index=page) for page in (0, 1)]
        for item in result:
            item["value"]["brushlabels"] = ["Cat"]
        event = corrected(result=result, **more) | {"project": PAGES}
        event["task"]["data"] = {"pages": list(pages)}
        return event

    return make


def test_a_page_that_cannot_be_loaded_is_left_out_at_the_last_try(
    learner, send, on_pages, photo_uri, caplog
):
    send(on_pages("data:,broken", photo_uri))
    (ref,) = learner.lessons.index(KEY).annotations["1"].lessons
    assert ref.page == 1
    assert learner.queue.size() == 0
    first, last = warnings_of(caplog)
    assert "comes again" in first
    assert "is learned from only in part" in last


def test_pages_that_nothing_is_drawn_on_are_not_loaded(learner, send, on_pages, photo_uri, caplog):
    send(on_pages(photo_uri, photo_uri, "data:,broken"))
    assert [ref.page for ref in learner.lessons.index(KEY).annotations["1"].lessons] == [0, 1]
    assert warnings_of(caplog) == []


def test_a_control_without_labels_for_the_task_costs_no_other(
    learner, send, corrected, mask, caplog
):
    dynamic = brush_labels("", 'value="$options"', name="dynamic")
    tags = '<Image name="image" value="$image"/>', dynamic, brush_labels(CAT_DOG)
    item = region("c", mask)
    item["value"]["brushlabels"] = ["Cat"]
    send(corrected(result=[item]) | {"project": PROJECT | {"label_config": config(*tags)}})
    assert labels_taught(learner) == [("Cat",)]
    assert 'list of words or of {"value": word} under "options"' in caplog.text


def test_repeated_controls_learn_together_and_are_predicted_with_it(
    learner, service, send, corrected, photo_uri, mask
):
    label_config = config(
        '<Repeater on="$images"><Image name="image_{{idx}}" value="$images[{{idx}}]"/>'
        + brush_labels(name="tag_{{idx}}", to_name="image_{{idx}}")
        + "</Repeater>"
    )
    second = {"to_name": "image_1", "from_name": "tag_1"}
    data = {"images": [photo_uri, photo_uri]}
    event = corrected(result=[region("Dog", mask, **second)])
    event |= {"project": PROJECT | {"label_config": label_config}, "task": {"id": 5, "data": data}}
    send(event, TRAIN)
    assert labels_taught(learner) == [("Dog",)]

    def predict(**settings) -> list:
        chosen = EVERY_PIXEL.model_copy(update=settings)
        task = {"id": 5, "data": data}
        (item,) = service.annotator.predict([task], label_config, chosen, project_id=KEY)
        return [r for r in item["result"] if r["to_name"] == "image_0"]

    assert predict() != predict(memory_version="none")


def test_masks_shown_of_a_file_of_another_size_are_not_compared_with(
    learner, service, send, corrected, photo_uri, png_uri
):
    small = png_uri(np.full((32, 40, 3), 90, np.uint8))
    tasks = [{"id": 5, "data": {"image": small}}]
    service.annotator.predict(tasks, PROJECT["label_config"], EVERY_PIXEL, project_id=KEY)
    send(corrected())
    (ref,) = learner.lessons.index(KEY).annotations["1"].lessons
    assert not learner.lessons.lessons(KEY, [ref])[ref.digest].was_wrong.any()
