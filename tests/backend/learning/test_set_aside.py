"""What was answered 201 and cannot be learned is kept with the reason, and can be tried again."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.errors import ImageNotFound, Overloaded, StoreError
from backend.learning.worker import LearningWorker
from backend.service import Service
from tests.support.annotations import KEY, PROJECT, region, taught
from tests.support.counting import counted
from tests.support.stores import kill_server
from tests.support.waiting import wait_until


@pytest.fixture
def restarted(service) -> Callable[[], LearningWorker]:
    """The worker of a process that begins on the same store, and remembers nothing."""

    def restart() -> LearningWorker:
        queue, fresh = service.events, Service(service.settings)
        fresh.store, fresh.segmenter = service.store, service.segmenter
        fresh.events = type(queue)(service.store, service.settings.data_dir, queue._config)
        return fresh.learning_worker

    return restart


def work_off(learner: LearningWorker, times: int = 100) -> None:
    for _ in range(times):
        if not learner.process_one():
            return


def failing(learner: LearningWorker, error: Exception) -> None:
    """Have every image fail with this error."""

    def load(_uri: str, **_more: object) -> NDArray[np.uint8]:
        raise error

    pages = learner.make_lessons.pages
    learner.make_lessons.pages = replace(pages, load_image=load)  # type: ignore[arg-type]


def test_a_store_without_room_costs_no_correction_over_any_number_of_restarts(
    learner, restarted, corrected, monkeypatch
):
    for n in range(4):
        learner.queue.push(corrected(n, task=n))

    def full(*_, **__):
        raise StoreError("no room")

    for _ in range(5):
        process = restarted()
        monkeypatch.setattr(process.lessons, "teach", full)
        work_off(process, times=12)  # each event three times
    last = restarted()
    work_off(last)
    assert taught(last) == ["0", "1", "2", "3"]
    assert last.queue.set_aside.count() == 0


def test_a_real_store_without_room_is_waited_for(learner, restarted, corrected, store):
    for n in range(4):
        learner.queue.push(corrected(n, task=n))
    store.run("fill", lambda client: client.config_set("maxmemory", "1mb"))
    for _ in range(3):
        work_off(restarted(), times=8)
    store.run("make room", lambda client: client.config_set("maxmemory", "100mb"))
    last = restarted()
    work_off(last)
    assert taught(last) == ["0", "1", "2", "3"]
    assert last.queue.size() == last.queue.set_aside.count() == 0


def test_a_store_that_dies_during_a_correction_counts_nothing(
    learner, corrected, store, monkeypatch
):
    learner.queue.push(corrected())
    teach = learner.lessons.teach

    def die_and_teach(*lesson, **more):
        kill_server(store)  # just before, since it is back in a moment
        return teach(*lesson, **more)

    with monkeypatch.context() as patch:
        patch.setattr(learner.lessons, "teach", die_and_teach)
        for _ in range(3):
            wait_until(learner.process_one)
            wait_until(store.is_up)
            assert taught(learner) == []
    work_off(learner)  # it takes back what it could not while the store was down
    assert taught(learner) == ["1"]
    assert learner.queue.set_aside.count() == 0


def test_a_busy_model_is_waited_for(learner, restarted, corrected):
    learner.queue.push(corrected())
    for _ in range(4):
        process = restarted()
        failing(process, Overloaded("256 images are waiting"))
        work_off(process, times=3)
    last = restarted()
    work_off(last)
    assert taught(last) == ["1"]


def test_the_failures_of_the_event_itself_are_counted_over_restarts(learner, restarted, corrected):
    learner.queue.push(corrected())
    for _ in range(2):
        process = restarted()
        failing(process, ImageNotFound("the host does not answer"))
        assert process.process_one()
    last = restarted()
    work_off(last)
    assert taught(last) == []
    (one,) = last.queue.set_aside.newest(9)
    assert (one.project, one.what) == (KEY, "ANNOTATION_CREATED of project 1, annotation 1")
    assert "It failed 2 times, last because: the host does not answer" in one.reason
    assert one.at_s > 1_700_000_000


def test_what_was_set_aside_is_learned_when_it_is_tried_again(learner, send, corrected):
    pages = learner.make_lessons.pages
    failing(learner, ImageNotFound("the host does not answer"))
    other = {"project": PROJECT | {"id": 2}}
    send(corrected(1), corrected(2) | other)
    assert learner.queue.size() == 0
    assert learner.queue.set_aside.count() == 2
    learner.make_lessons.pages = pages
    assert learner.queue.retry("3.100") == 0
    assert learner.queue.retry(KEY) == 1
    send()
    assert taught(learner) == ["1"]
    assert learner.queue.set_aside.count() == 1
    assert learner.queue.retry() == 1
    send()
    assert [len(learner.lessons.index(key).annotations) for key in (KEY, "2.100")] == [1, 1]
    assert counted(learner.counts)["lessons"] == 2


def test_of_a_bulk_event_only_the_annotation_that_cannot_be_learned_is_kept(
    learner, send, corrected
):
    one, two = corrected(1, task=1), corrected(2, task=2)
    one["annotation"] |= {"task": 1}
    two["annotation"] |= {"task": 2, "result": [region("c", np.ones((9, 9), bool))]}
    bulk = {
        "annotation": [one["annotation"], two["annotation"]],
        "task": [one["task"], two["task"]],
    }
    send(one | {"action": "ANNOTATIONS_CREATED"} | bulk)
    (kept,) = learner.queue.set_aside.newest(9)
    assert kept.what == "annotation 2 of task 2"
    learner.queue.retry()
    (again,) = learner.queue.take(1)
    assert [raw["id"] for raw in again.event["annotation"]] == [2]
    assert [task["id"] for task in again.event["task"]] == [2]


def test_without_room_for_it_nothing_leaves_the_queue(learner, corrected, store):
    learner.queue.push(corrected(updated_at="soon"))
    begin = learner.queue.tries.begin

    def fill(event_id: str) -> list[str]:
        found = begin(event_id)
        store.run("fill", lambda client: client.config_set("maxmemory", "1mb"))
        return found

    learner.queue.tries.begin = fill
    assert learner.process_one()
    store.run("make room", lambda client: client.config_set("maxmemory", "100mb"))
    assert (learner.queue.size(), learner.queue.set_aside.count()) == (1, 0)
    learner.queue.tries.begin = begin
    assert learner.process_one()
    assert (learner.queue.size(), learner.queue.set_aside.count()) == (0, 1)
