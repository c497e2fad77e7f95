"""Of all annotations of a project those are chosen that are left to learn and would be kept."""

import uuid
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backend.label_studio.later_events import event_project_of
from backend.label_studio.webhook_events import parse_time_us, project_key
from backend.learning.event_queue import EventQueue
from backend.learning.packed_event import unpack_event
from backend.learning.unlearned import (
    FORGOTTEN,
    LEARNED,
    NO_ROOM,
    SKIPPED,
    TOO_MANY,
    WAITING,
    Learned,
    Unlearned,
)
from backend.memory.lesson_index import Limits
from backend.memory.lesson_store import LessonStore, NewLesson
from backend.store.keys import memory_key
from model import SegmentSettings, TaughtMask, Vocabulary
from tests.support.annotations import PROJECT, deletion

METHOD = SegmentSettings().resolve()


def stored(annotation: int, day: int = 1, **more) -> dict:
    """An annotation as the API lists it; its time is the day."""
    return {
        "id": annotation, "result": [], "updated_at": f"2026-01-{day:02}T00:00:00Z",
        "was_cancelled": False, "parent_prediction": None, "lead_time": 3.0,
        "completed_by": {"id": 1, "email": "ann@example.com"},
    } | more  # fmt: skip


def task_of(*annotations: dict, task: int = 5) -> dict:
    return {"id": task, "data": {"image": "a.png"}, "annotations": list(annotations)}


def time_us(day: int) -> int:
    return parse_time_us(f"2026-01-{day:02}T00:00:00Z")


@pytest.fixture(scope="module")
def lesson(tiny_segmenter, photo):
    (features,) = tiny_segmenter.encode([photo], METHOD)
    mask = np.zeros(photo.shape[:2], dtype=bool)
    mask[:20] = True
    return tiny_segmenter.learn(
        features, photo, [TaughtMask("Cat", mask)], Vocabulary.of(["Cat"]), METHOD
    )


class Project:
    """A project of its own in the store, with what it has learned."""

    def __init__(self, store, tmp_path, lesson, limits: Limits) -> None:
        self.described = event_project_of(PROJECT | {"id": uuid.uuid4().int % 10**9})
        self.name = project_key(self.described)
        self.lessons = LessonStore(store, limits=limits)
        self.queue = EventQueue(store, tmp_path)
        self.store, self.lesson = store, lesson

    def teach(self, annotation: int, day: int = 1, lesson=None, task: str = "5") -> None:
        one = NewLesson("tag", 0, lesson or self.lesson)
        self.lessons.teach(self.name, str(annotation), task, time_us(day), [one])

    def unlearned(self, *tasks: dict, max_bytes: int = 10**9) -> Unlearned:
        learned = Learned.of(self.lessons, self.queue, self.name, self.lesson.space)
        found = Unlearned(self.lessons, self.name, self.described, learned, max_bytes)
        for task in tasks:
            found.add_task(task)
        return found

    def chosen(self, *tasks: dict) -> list[str]:
        return [one.annotation for one in self.unlearned(*tasks).chosen()]


@pytest.fixture
def make_project(store, tmp_path, lesson):
    return lambda **limits: Project(store, tmp_path, lesson, Limits(**limits))


def reasons(unlearned: Unlearned) -> dict[str, int]:
    return {why: n for why, n in unlearned.left_out.items() if n}


def test_what_is_learned_is_left_out_and_what_was_changed_since_is_not(make_project):
    project = make_project()
    project.teach(1, day=1)
    project.teach(2, day=1)
    found = project.unlearned(task_of(stored(1, day=1), stored(2, day=2), stored(3, day=1)))
    assert [one.annotation for one in found.chosen()] == ["2", "3"]
    assert reasons(found) == {LEARNED: 1}


def test_one_that_taught_nothing_is_learned_nevertheless(make_project):
    project = make_project()
    project.lessons.teach(project.name, "1", "5", time_us(1), [])
    assert project.chosen(task_of(stored(1))) == []


def test_lessons_of_another_space_are_learned_again(make_project, lesson):
    project = make_project()
    project.teach(1, lesson=replace(lesson, space="other"))
    assert project.chosen(task_of(stored(1))) == ["1"]


def test_lessons_of_an_older_format_are_learned_again(make_project, lesson):
    project = make_project()
    project.teach(1, lesson=replace(lesson, pixels=None))
    project.teach(2)
    assert project.chosen(task_of(stored(1), stored(2))) == ["1"]


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_lessons_that_are_damaged_in_the_store_are_learned_again(make_project, damage):
    project = make_project()
    project.teach(1)
    key, digest = memory_key(project.name, "lessons"), project.lesson.digest
    if damage == "missing":
        project.store.run("lose", lambda client: client.hdel(key, digest))
    else:
        project.store.run("damage", lambda client: client.hset(key, digest, b"?"))
    assert project.chosen(task_of(stored(1))) == ["1"]


def test_skipped_and_forgotten_ones_are_left_out(make_project):
    project = make_project()
    project.teach(2)
    project.lessons.delete(project.name, annotations=["2"])
    found = project.unlearned(task_of(stored(1, was_cancelled=True), stored(2)))
    assert found.chosen() == []
    assert reasons(found) == {SKIPPED: 1, FORGOTTEN: 1}


def test_what_waits_in_the_queue_is_not_queued_twice(make_project):
    project = make_project()
    for one in project.unlearned(task_of(stored(1), stored(2))).chosen():
        assert project.queue.backlog.add(one.value)
    project.queue.push(deletion(7))
    project.queue.push({"action": "ANNOTATION_UPDATED", "project": project.described})  # damaged
    found = project.unlearned(task_of(stored(1), stored(2, day=9), stored(3)))
    assert [one.annotation for one in found.chosen()] == ["2", "3"]
    assert reasons(found) == {WAITING: 1}


def test_a_webhook_that_waits_keeps_its_turn_unless_it_would_be_passed_over(make_project, lesson):
    """As a repeated one is, of an update whose lessons are outdated."""
    project = make_project()
    project.teach(2, lesson=replace(lesson, space="other"))
    for annotation in (1, 2):
        event = {"action": "ANNOTATION_CREATED", "project": project.described}
        task = {"id": 5, "data": {}}
        project.queue.push(event | {"annotation": stored(annotation), "task": task})
    assert project.chosen(task_of(stored(1), stored(2))) == ["2"]


def test_those_updated_last_are_chosen_as_the_store_would_keep_them(make_project):
    project = make_project(max_annotations=4)
    project.teach(101, day=28)
    project.teach(102, day=3)  # as of another project's file
    tasks = [task_of(stored(n, day=n), task=n) for n in (5, 1, 4, 6, 2)]
    found = project.unlearned(*tasks)
    assert [one.annotation for one in found.chosen()] == ["6", "5", "4"]
    assert found.chosen() == found.chosen()
    assert reasons(found) == {TOO_MANY: 2}
    for one in found.chosen():
        project.teach(int(one.annotation), day=int(one.annotation))
    again = project.unlearned(*tasks)
    assert again.chosen() == []
    assert reasons(again) == {LEARNED: 3, TOO_MANY: 2}


def test_bytes_of_lessons_are_bounded_by_those_that_are_known(make_project, lesson):
    project = make_project(max_bytes=int(3.5 * len(lesson.to_bytes())))
    project.teach(1, day=9)
    assert project.chosen(task_of(*(stored(n, day=n) for n in (2, 3, 4)))) == ["4", "3"]


def test_events_beyond_the_room_of_the_queue_are_left_for_the_next_run(make_project):
    project = make_project()
    tasks = [task_of(stored(n, day=n), task=n) for n in range(1, 6)]
    size = len(project.unlearned(tasks[0]).chosen()[0].value)
    found = project.unlearned(*tasks, max_bytes=2 * size + 5)
    assert [one.annotation for one in found.chosen()] == ["5", "4"]
    assert reasons(found) == {NO_ROOM: 3}


def test_an_annotation_that_cannot_be_read_is_named_and_costs_no_other(make_project):
    project = make_project()
    broken: list[Any] = [
        stored(1, updated_at="soon"),
        {"result": []},
        "text",
        stored(2, result="none"),
    ]
    found = project.unlearned(task_of(*broken, stored(3)), {"id": 6, "annotations": [stored(4)]})
    assert [one.annotation for one in found.chosen()] == ["3"]
    assert len(found.unreadable) == 4
    assert 'task 5: Annotation 1 needs "updated_at"' in found.unreadable[0]
    assert "task 6: Annotation 4 comes without its task's data" in found.unreadable[-1]


def test_a_list_that_moves_on_while_it_is_read_chooses_nothing_twice(make_project):
    assert make_project().chosen(task_of(stored(1)), task_of(stored(1))) == ["1"]


def test_an_event_holds_what_is_learned_from_and_nobody_s_name(make_project):
    project = make_project()
    (one,) = project.unlearned(task_of(stored(1))).chosen()
    event = unpack_event(one.value)
    assert event["task"] == {"id": 5, "data": {"image": "a.png"}}
    assert event["project"]["label_config"] == PROJECT["label_config"]
    assert "example.com" not in str(event)
