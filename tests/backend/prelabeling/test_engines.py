"""Several tasks are predicted at a time, and no more are taken than are soon needed."""

import contextlib
import threading
from itertools import count

import pytest

from backend import plain_thread
from backend.prelabeling.engines import WAITING_PER_THREAD, Job, ThreadEngine
from tests.backend.prelabeling.conftest import SETTINGS
from tests.support.fake_project import KEY
from tests.support.label_configs import CAT_DOG_CONFIG
from tests.support.predictions import with_pages
from tests.support.scarce_threads import let_threads_end, refuse_threads


def job(number: int, uri: str) -> Job:
    return Job({"id": number, "data": {"image": uri}}, KEY, CAT_DOG_CONFIG, SETTINGS, None)


def test_images_are_loaded_while_others_are_on_their_way(annotator, photo):
    """Each image comes only once three are asked for."""
    three = threading.Barrier(3)

    def load(uri, **_):
        three.wait(60)
        return photo

    engine = ThreadEngine(with_pages(annotator, load_image=load), 3)
    answers = list(engine(job(n, "x") for n in range(6)))
    assert sorted(one.task["id"] for one, _ in answers) == list(range(6))
    assert all("result" in item for _, item in answers)


def test_jobs_are_taken_as_threads_become_free(annotator, photo_uri):
    taken = []

    def endless():
        for number in count():
            taken.append(number)
            yield job(number, photo_uri)

    answers = ThreadEngine(annotator, 2)(endless())
    with contextlib.closing(answers):
        for _ in range(5):
            next(answers)
        assert len(taken) <= 5 + 2 * WAITING_PER_THREAD


def test_a_task_that_fails_is_answered_like_any_other(annotator, photo_uri):
    answers = {
        one.task["id"]: item
        for one, item in ThreadEngine(annotator, 2)([job(1, photo_uri), job(2, "http://x.invalid")])
    }
    assert "result" in answers[1]
    assert answers[2]["error"]["code"] == "image_not_found"


@pytest.mark.parametrize("scarce", [refuse_threads, let_threads_end])
def test_without_memory_for_threads_tasks_are_predicted_one_by_one(
    annotator, photo_uri, monkeypatch, scarce
):
    monkeypatch.setattr(plain_thread, "BEGINS_WITHIN_S", 0.0)
    scarce(monkeypatch)
    answers = ThreadEngine(annotator, 2)(job(n, photo_uri) for n in range(3))
    assert [one.task["id"] for one, item in answers if "result" in item] == [0, 1, 2]


def test_after_a_stop_no_further_job_is_taken(annotator, photo_uri):
    is_stopping, taken = threading.Event(), []

    def endless():
        for number in count():
            taken.append(number)
            yield job(number, photo_uri)

    answers = ThreadEngine(annotator, 2, is_stopping.is_set)(endless())
    next(answers)
    is_stopping.set()
    n_taken = len(taken)
    assert len(list(answers)) < n_taken
    assert len(taken) == n_taken
