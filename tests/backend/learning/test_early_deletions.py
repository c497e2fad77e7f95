"""A deletion does not wait behind an event whose image does not come."""

import threading
from dataclasses import replace

from tests.support.annotations import KEY, deletion, taught
from tests.support.waiting import wait_until


def test_a_deletion_never_waits_for_a_fetch(service, learner, send, corrected):
    send(corrected(1), corrected(2))
    load, goes_on, is_stuck = service.pages.load_image, threading.Event(), threading.Event()

    def stuck(uri, **more):
        is_stuck.set()
        goes_on.wait(60)
        return load(uri, **more)

    learner.make_lessons.pages = replace(learner.make_lessons.pages, load_image=stuck)
    for event in (corrected(3), deletion(1, 3)):
        learner.queue.push(event)
    working = threading.Thread(target=learner.process_one)
    working.start()
    is_stuck.wait(60)
    service.early_deletions.note(corrected(4))  # not one
    service.early_deletions.note(deletion(1, 3))
    wait_until(lambda: taught(learner) == ["2"])
    goes_on.set()
    working.join(60)
    assert taught(learner) == ["2"]  # nor do its lessons come back
    send()
    assert KEY in learner.lessons.projects()
    assert taught(learner) == ["2"]


def test_a_deletion_that_cannot_be_applied_is_left_to_the_queue(service, learner, send, corrected):
    send(corrected(1))
    service.early_deletions.note(deletion(1) | {"annotations": [{}]})
    service.early_deletions.note(deletion(1))
    wait_until(lambda: taught(learner) == [])
