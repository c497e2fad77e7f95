"""Events that cannot be processed: dropped, tried again or waited for, by their reason."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from backend.errors import ImageNotFound, StoreError
from tests.support.annotations import PROJECT, region, taught
from tests.support.counting import counted
from tests.support.recorded import EVENT_NAMES, recorded_body


def test_damaged_events_are_set_aside_at_once_and_block_nothing(learner, send, corrected, caplog):
    no_config = corrected(2) | {"project": PROJECT | {"label_config": "<View/>"}}
    wrong_size = corrected(3, result=[region("c", np.ones((9, 9), bool))])
    send(
        no_config, wrong_size, corrected(4, updated_at="soon"), {"action": "ANNOTATION_CREATED"},
        {"action": "NOBODY_KNOWS"}, corrected(5),
    )  # fmt: skip
    assert taught(learner) == ["5"]
    assert learner.queue.size() in (0, 1)  # the one without a project comes again, then goes
    send()
    assert learner.queue.size() == 0
    assert "annotation 3 of task 5 is set aside" in caplog.text
    assert "64 x 48" in caplog.text


def test_an_image_that_cannot_be_had_is_tried_twice_and_then_set_aside(
    learner, send, corrected, caplog
):
    caplog.set_level(logging.WARNING)
    send(corrected(1, uri="data:image/png;base64,AAAA"), corrected(2))
    assert taught(learner) == ["2"]
    assert learner.queue.size() == 0
    assert counted(learner.counts) == {"lessons": 1, "events": 1, "failures": 3, "set_aside": 1}
    assert "project 1, annotation 1 comes again" in caplog.text
    assert "is set aside: It failed 2 times" in caplog.text


def test_a_host_that_is_back_in_time_is_learned_from(learner, send, corrected):
    load, failures = learner.make_lessons.pages.load_image, iter([True])

    def shaky(uri, **more):
        if next(failures, False):
            raise ImageNotFound("the host does not answer")
        return load(uri, **more)

    learner.make_lessons.pages = replace(learner.make_lessons.pages, load_image=shaky)
    send(corrected())
    assert taught(learner) == ["1"]


def test_a_store_that_takes_nothing_is_waited_for_however_long(learner, corrected, monkeypatch):
    def full(*_, **__):
        raise StoreError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(learner.lessons, "teach", full)
        learner.queue.push(corrected())
        for _ in range(6):
            assert learner.process_one()
    assert learner.process_one()
    assert taught(learner) == ["1"]


@pytest.mark.parametrize("name", EVENT_NAMES)
def test_every_recorded_event_is_worked_off(learner, send, name, photo, monkeypatch):
    event = recorded_body(name)
    size = (300, 400) if event["project"]["id"] == 4 else (48, 64)
    image = np.full((*size, 3), 90, dtype=np.uint8)
    learner.make_lessons.pages = replace(
        learner.make_lessons.pages, load_image=lambda _uri, **_: image
    )
    send(event)
    assert learner.queue.size() == 0
    assert learner.counts["failures"] == 0
