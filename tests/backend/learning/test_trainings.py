"""Start Training waits for an annotation on its way, which Label Studio sends after it."""

from typing import Any

import pytest

from backend.learning.trainings import Trainings
from backend.learning.worker import LearningWorker
from backend.memory.lesson_snapshot import Version
from backend.service import Service
from tests.support.annotations import KEY, TRAIN, deletion
from tests.support.waiting import wait_until


def versions(learner: LearningWorker) -> tuple[Version, ...]:
    return learner.lessons.index(KEY).versions


def restarted(service: Service, wait_s: float) -> LearningWorker:
    """The worker of a process that begins on the same store."""
    vars(service).pop("learning_worker", None)
    service.settings = service.settings.model_copy(update={"training_wait_s": wait_s})
    return service.learning_worker


@pytest.fixture
def waiting(service) -> LearningWorker:
    """A worker whose versions wait longer than any test."""
    return restarted(service, 60.0)


def send(learner: LearningWorker, *events: dict[str, Any]) -> None:
    for event in events:
        learner.queue.push(event)
    while learner.process_one():
        pass


def test_the_annotation_whose_submission_started_the_training_is_in_its_version(waiting, corrected):
    send(waiting, corrected(1), TRAIN)
    assert versions(waiting) == ()
    send(waiting, corrected(2))
    (version,) = versions(waiting)
    assert sorted(version.annotations) == ["1", "2"]


def test_the_very_first_annotation_makes_a_version_if_a_training_came_before_it(waiting, corrected):
    send(waiting, TRAIN, corrected(1))
    assert [list(version.annotations) for version in versions(waiting)] == [["1"]]


def test_a_completed_version_is_left_alone_by_the_annotations_after(waiting, corrected):
    send(waiting, TRAIN, corrected(1), corrected(2))
    assert len(versions(waiting)) == 1
    assert waiting.lessons.index(KEY).changes == 1


def test_deletions_do_not_complete_a_version(waiting, corrected):
    send(waiting, corrected(1), TRAIN, deletion(7))
    assert versions(waiting) == ()


def test_a_version_is_made_without_another_annotation_when_it_has_waited_enough(service, corrected):
    learner = restarted(service, 0.05)
    send(learner, corrected(1), TRAIN)
    wait_until(lambda: learner.process_one() or versions(learner))
    send(learner, corrected(2))
    assert [list(version.annotations) for version in versions(learner)] == [["1"]]


def test_a_version_asked_for_survives_the_end_of_its_process(service, waiting, corrected):
    send(waiting, corrected(1))
    Trainings(waiting.lessons, 0.0).ask(KEY, "1-1")
    successor = restarted(service, 60.0)
    send(successor)
    assert [list(version.annotations) for version in versions(successor)] == [["1"]]


def test_an_annotation_that_stood_before_it_in_the_queue_does_not_complete_it(waiting, corrected):
    waiting.lessons.ask_version(KEY, queued_as="9999999999999-0", wait_s=60.0)
    send(waiting, corrected(1))
    assert versions(waiting) == ()
