"""Under load each kind of request keeps its places; who finds none is told when to come back."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from backend.http.app import create_app
from tests.support.fake_label_studio import Asked, Reply, WebServer
from tests.support.image_files import PNG_REPLY
from tests.support.request_bodies import click, predict_body
from tests.support.waiting import wait_until

SLOW_HOSTS = ("127.0.0.1", "localhost")  # one machine; with 4 threads each has one download


@pytest.fixture
def slow_host() -> Iterator[tuple[WebServer, threading.Event]]:
    """A host of images that answers once the event is set."""
    web, may_answer = WebServer(), threading.Event()

    def answer(_asked: Asked) -> Reply:
        may_answer.wait(60)
        return PNG_REPLY

    web.pages["/a.png"] = answer
    yield web, may_answer
    may_answer.set()
    web.close()


@pytest.fixture
def loaded(make_service, slow_host) -> Iterator[Callable]:
    """Posts to a service of 4 threads: 2 places for predictions, 1 of many tasks, 2 for clicks."""
    app = create_app(make_service(threads=4, image_hosts_allowed=SLOW_HOSTS))
    with ThreadPoolExecutor(20) as threads:
        yield lambda body: threads.submit(lambda: app.test_client().post("/predict", json=body))
        slow_host[1].set()


def ask_slowly(
    web: WebServer, loaded: Callable, n_tasks: int = 1, host: str = SLOW_HOSTS[0]
) -> Future:
    """A prediction of so many tasks that waits for its images, once it does."""
    before = len(web.asked)
    url = web.url.replace("127.0.0.1", host)
    answer = loaded(predict_body(*[f"{url}/a.png?{n}" for n in range(n_tasks)]))
    wait_until(lambda: len(web.asked) > before)
    return answer


def test_clicks_are_answered_while_predictions_take_all_their_places(loaded, slow_host, photo_uri):
    web, _ = slow_host
    for host in SLOW_HOSTS:
        ask_slowly(web, loaded, host=host)
    assert loaded(predict_body(photo_uri)).result().status_code == 503
    clicks = [
        loaded(predict_body(photo_uri, context={"result": [click(50, 50)]})).result()
        for _ in range(20)
    ]
    assert {answer.status_code for answer in clicks} == {200}
    assert all("result" in answer.json["results"][0] for answer in clicks)


def test_requests_of_many_tasks_leave_places_for_those_who_wait_for_one(
    loaded, slow_host, photo_uri
):
    web, _ = slow_host
    ask_slowly(web, loaded, n_tasks=3)
    refused = loaded(predict_body(photo_uri, photo_uri)).result()
    assert refused.status_code == 503
    assert refused.json["error"] == "overloaded"
    assert int(refused.headers["Retry-After"]) >= 1
    assert loaded(predict_body(photo_uri)).result().status_code == 200


def test_a_place_is_free_again_once_its_request_is_answered(loaded, slow_host, photo_uri):
    web, may_answer = slow_host
    waiting = [ask_slowly(web, loaded, host=host) for host in SLOW_HOSTS]
    assert loaded(predict_body(photo_uri)).result().status_code == 503
    may_answer.set()
    assert {one.result(60).status_code for one in waiting} == {200}
    assert loaded(predict_body(photo_uri)).result().status_code == 200


def test_clicks_without_end_keep_out_nobody_else(loaded, slow_host, photo_uri):
    web, _ = slow_host
    for host in SLOW_HOSTS:
        url = web.url.replace("127.0.0.1", host)
        loaded(predict_body(f"{url}/a.png", context={"result": [click(50, 50)]}))
    wait_until(lambda: len(web.asked) == 2)
    refused = loaded(predict_body(photo_uri, context={"result": [click(1, 1)]})).result()
    assert (refused.status_code, "clicks" in refused.status) == (503, True)
    assert loaded(predict_body(photo_uri)).result().status_code == 200


def test_a_model_that_still_loads_says_when_to_come_back(loading, monkeypatch):
    monkeypatch.setattr("backend.http.routes.SETUP_TIMEOUT_S", 0.01)
    assert int(loading.post("/setup", json={"project": "1.1"}).headers["Retry-After"]) >= 1
