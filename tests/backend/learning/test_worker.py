"""From events to lessons, and from lessons to other masks."""

import numpy as np

from tests.support.annotations import (
    CONFIG,
    EVERY_PIXEL,
    KEY,
    PROJECT,
    TRAIN,
    deletion,
    region,
    taught,
)
from tests.support.counting import counted
from tests.support.waiting import wait_until


def version(service) -> str:
    return service.annotator.version(EVERY_PIXEL, KEY, CONFIG)


def test_a_correction_changes_the_version_at_start_training_and_the_masks_with_it(
    service, send, corrected, photo_uri, mask
):
    def predict() -> dict:
        tasks = [{"id": 5, "data": {"image": photo_uri}}]
        (found,) = service.annotator.predict(tasks, CONFIG, EVERY_PIXEL, project_id=KEY)
        return found

    before = predict()
    learner = service.learning_worker
    send(corrected())
    assert taught(learner) == ["1"]
    assert predict() == before  # the version stays, and so does what it says
    send(TRAIN)
    after = predict()
    assert after["model_version"] == version(service)
    assert after["model_version"].startswith(f"mem1-{before['model_version'][:-6]}")
    assert after["result"] != before["result"]
    assert {one["id"] for one in after["result"]} & {one["id"] for one in before["result"]}
    pinned = EVERY_PIXEL.model_copy(update={"memory_version": "none"})
    tasks = [{"id": 5, "data": {"image": photo_uri}}]
    assert service.annotator.predict(tasks, CONFIG, pinned, project_id=KEY) == [before]


def test_five_corrections_are_used_by_themselves(learner, service, send, corrected):
    plain = version(service)
    send(*(corrected(n, task=n) for n in range(4)))
    assert version(service) == plain
    send(corrected(4, task=4))
    assert version(service) != plain
    assert counted(learner.counts) == {"lessons": 5, "events": 5}


def test_what_was_shown_tells_right_from_wrong(learner, service, send, corrected, photo_uri):
    tasks = [{"id": 5, "data": {"image": photo_uri}}]
    service.annotator.predict(tasks, CONFIG, EVERY_PIXEL, project_id=KEY)
    send(corrected())
    (ref,) = learner.lessons.index(KEY).annotations["1"].lessons
    lesson = learner.lessons.lessons(KEY, [ref])[ref.digest]
    assert lesson.was_wrong.any()


def test_one_control_on_two_images_learns_from_each_with_what_was_shown_there(
    learner, service, send, corrected, photo_uri, png_uri, mask
):
    config = CONFIG.replace('toName="image"', 'toName="image,other"').replace(
        "<BrushLabels", '<Image name="other" value="$other"/><BrushLabels'
    )
    small = np.full((32, 40, 3), 90, np.uint8)  # of another size than the first image
    data = {"image": photo_uri, "other": png_uri(small)}
    tasks = [{"id": 5, "data": data}]
    service.annotator.predict(tasks, config, EVERY_PIXEL, project_id=KEY)
    drawn = np.ones((32, 40), bool)
    result = [region("c", mask), region("Dog", drawn, to_name="other")]
    event = corrected(result=result) | {"project": PROJECT | {"label_config": config}}
    send(event | {"task": {"id": 5, "data": data}})
    refs = learner.lessons.index(KEY).annotations["1"].lessons
    lessons = [learner.lessons.lessons(KEY, [ref])[ref.digest] for ref in refs]
    assert [lesson.was_wrong.any() for lesson in lessons] == [True, True]


def test_a_label_that_was_left_out_of_the_prediction_was_not_deleted(
    learner, service, send, corrected, photo_uri
):
    config = CONFIG.replace("<BrushLabels", '<BrushLabels model_score_threshold="1"')
    tasks = [{"id": 5, "data": {"image": photo_uri}}]
    (item,) = service.annotator.predict(tasks, config, EVERY_PIXEL, project_id=KEY)
    assert item["result"] == []
    send(corrected(result=[], parent_prediction=3))
    (ref,) = learner.lessons.index(KEY).annotations["1"].lessons
    assert not learner.lessons.lessons(KEY, [ref])[ref.digest].was_wrong.any()


def test_an_empty_annotation_teaches_that_nothing_is_there(learner, send, corrected):
    send(corrected(result=[]))
    (ref,) = learner.lessons.index(KEY).annotations["1"].lessons
    assert ref.labels == ()


def test_bulk_events_teach_each_annotation(learner, send, corrected):
    one, two = corrected(1, task=1), corrected(2, task=2)
    two["annotation"]["task"], one["annotation"]["task"] = 2, 1
    send(
        one
        | {
            "action": "ANNOTATIONS_CREATED",
            "annotation": [one["annotation"], two["annotation"]],
            "task": [one["task"], two["task"]],
        }
    )
    assert taught(learner) == ["1", "2"]


def test_of_a_bulk_event_the_damaged_annotation_alone_is_set_aside(learner, send, corrected):
    one, two = corrected(1, task=1), corrected(2, task=2)
    one["annotation"] |= {"task": 1}
    two["annotation"] |= {"task": 2, "result": [region("c", np.ones((9, 9), bool))]}
    bulk = {
        "annotation": [two["annotation"], one["annotation"]],
        "task": [two["task"], one["task"]],
    }
    send(one | {"action": "ANNOTATIONS_CREATED"} | bulk)
    assert taught(learner) == ["1"]
    assert learner.queue.size() == 0
    assert learner.counts["set_aside"] == 1


def test_switched_off_it_only_forgets(learner, send, corrected):
    send(corrected(1), corrected(2), TRAIN)
    learner.is_learning = False
    send(corrected(3), deletion(1), TRAIN)
    assert taught(learner) == ["2"]


def test_its_thread_works_off_what_comes_and_stops(learner, corrected):
    learner.start()
    learner.queue.push(corrected())
    learner.wake()
    wait_until(lambda: taught(learner))
    learner.stop()
    assert taught(learner) == ["1"]
