"""Annotations that were read from Label Studio's API teach as submitted ones, and prove nothing."""

from dataclasses import replace

import pytest

from backend.http.agreement_rows import agreement_rows
from backend.http.app import create_app
from backend.label_studio.later_events import later_event
from backend.memory.lesson_store import NewLesson
from tests.support.annotations import CONFIG, EVERY_PIXEL, KEY, PROJECT, TRAIN, deletion, taught
from tests.support.counting import counted
from tests.support.logs import warnings_of


@pytest.fixture
def read_later(corrected):
    """The event that `memory learn` makes of such an annotation."""

    def make(annotation=1, *, lead_time=4.2, **more):
        event = corrected(annotation, **more)
        raw = event["annotation"] | {"lead_time": lead_time}
        return later_event(PROJECT, event["task"], raw)

    return make


@pytest.fixture
def show(service, photo_uri):
    """Predict task 5; its regions as Label Studio copies them."""

    def show():
        tasks = [{"id": 5, "data": {"image": photo_uri}}]
        (item,) = service.annotator.predict(tasks, CONFIG, EVERY_PIXEL, project_id=KEY)
        return [one | {"origin": "prediction"} for one in item["result"]]

    return show


@pytest.fixture
def known(learner):
    return lambda annotation="1": learner.lessons.index(KEY).annotations[annotation]


@pytest.fixture
def learn_as_if_in_another_space(learner):
    """Store the lessons of an annotation under another feature space."""

    def change(annotation="1"):
        old = learner.lessons.index(KEY).annotations[annotation]
        lessons = learner.lessons.lessons(KEY, old.lessons)
        others = [
            NewLesson(ref.control, ref.page, replace(lessons[ref.digest], space="other"))
            for ref in old.lessons
        ]
        learner.lessons.teach(KEY, annotation, old.task, old.updated_us, others, is_again=True)

    return change


def test_it_teaches_what_the_same_annotation_teaches_when_it_is_submitted(
    send, corrected, read_later, known
):
    send(corrected(1), read_later(2))
    assert known("2").lessons == known("1").lessons
    assert known("2").updated_us == known("1").updated_us


def test_no_agreement_counts_it(service, send, show, corrected, read_later, known):
    shown = show()
    send(read_later(result=shown, parent_prediction=3))
    assert known().agreement is None
    client = create_app(service).test_client()
    assert agreement_rows(service) == []
    assert "firstpass_compared_labels_total 0.0" in client.get("/metrics").text
    send(corrected(2, result=shown, parent_prediction=3))  # what a person submits is compared
    assert known("2").agreement.labels == 2


def test_what_was_measured_when_it_was_submitted_stays_as_it_was(
    service, send, show, corrected, read_later, known, learn_as_if_in_another_space
):
    send(corrected(result=show()[:1], parent_prediction=3))
    before = known().agreement
    assert before is not None
    learn_as_if_in_another_space()
    send(read_later(result=show(), parent_prediction=3))
    assert known().agreement == before
    (row,) = agreement_rows(service)
    assert (row["annotations"], row["iou"]) == (1, before.iou)


def test_an_update_that_is_known_is_learned_again_and_an_older_one_is_not(
    learner, send, corrected, read_later, known, learn_as_if_in_another_space
):
    send(corrected(second=5))
    learned = known().lessons
    learn_as_if_in_another_space()
    assert known().lessons[0].space == "other"
    send(corrected(second=5), read_later(second=4))  # a repeated webhook, and what was before it
    assert known().lessons[0].space == "other"
    send(read_later(second=5))
    assert known().lessons == learned


def test_what_was_deleted_does_not_come_back(learner, send, corrected, read_later):
    send(corrected(1), deletion(1), read_later(1))
    assert taught(learner) == []


@pytest.mark.parametrize("end", [[TRAIN], []], ids=["asked for", "the queue is worked off"])
def test_a_batch_makes_one_version_at_its_end(learner, send, read_later, end):
    """And not one of each five, which would take the place of all that are kept."""
    send(*(read_later(n, task=n) for n in range(7)), *end)
    learner.process_one()  # what is due
    (version,) = learner.lessons.index(KEY).versions
    assert len(version.annotations) == 7


def test_a_person_who_corrects_meanwhile_gets_a_version_as_ever(
    learner, send, corrected, read_later
):
    send(*(read_later(n, task=n) for n in range(7)), corrected(8, task=8))
    (version,) = learner.lessons.index(KEY).versions
    assert len(version.annotations) == 8


def test_one_that_was_accepted_in_bulk_counts_weakly(learner, send, read_later, known):
    send(read_later(1), read_later(2, parent_prediction=3, lead_time=None))
    refs = [known(n).lessons[0] for n in "12"]
    mass = {
        digest: float(lesson.masses[lesson.owners >= 0].sum())
        for digest, lesson in learner.lessons.lessons(KEY, refs).items()
    }
    assert mass[refs[1].digest] < 0.5 * mass[refs[0].digest]


def test_one_that_cannot_be_learned_is_set_aside_and_tried_again_as_it_was(
    learner, send, read_later
):
    send(read_later(uri="http://127.0.0.1:9/gone.png"))
    (aside,) = learner.queue.set_aside.newest(9)
    assert aside.what == "ANNOTATION_UPDATED of project 1, annotation 1"
    assert learner.queue.retry() == 1
    (queued,) = learner.queue.take(1)
    assert queued.event["read_later"] is True


def test_where_learning_is_switched_off_it_is_said_that_what_waits_is_lost(
    learner, send, read_later, caplog
):
    learner.is_learning = False
    send(read_later(1), read_later(2))
    (warning,) = warnings_of(caplog)
    assert "project 1: nothing is learned of annotations that wait in the queue" in warning
    assert "LEARN=off" in warning
    assert counted(learner.counts) == {"events": 2}
