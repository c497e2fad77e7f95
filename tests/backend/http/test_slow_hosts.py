"""A host of images that sends a byte now and then keeps no other host's tasks from their masks."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from backend.http.app import create_app
from tests.support.dripper import Dripper
from tests.support.request_bodies import predict_body
from tests.support.waiting import wait_until

SETTINGS = {"threads": 12, "image_hosts_allowed": ("127.0.0.1",)}  # one host has 3 of 8 places


@pytest.fixture
def open_post(make_service) -> Iterator[Callable]:
    """Gives a function that posts to /predict of a service in which downloads may take so long."""
    with ThreadPoolExecutor(32) as threads:

        def open_one(image_timeout_s: float) -> Callable:
            app = create_app(make_service(**SETTINGS, image_timeout_s=image_timeout_s))
            return lambda body: threads.submit(
                lambda: app.test_client().post("/predict", json=body)
            )

        yield open_one


@pytest.fixture
def host() -> Iterator[Dripper]:
    dripper = Dripper(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"a")
    yield dripper
    dripper.stop()


def error_of(answer) -> dict[str, str]:
    return answer.result(60).json["results"][0]["error"]


def test_requests_for_a_dripping_host_leave_places_to_others(open_post, host, photo_uri):
    post = open_post(image_timeout_s=15.0)
    dripping = [post(predict_body(f"{host.url}/{n}.png")) for n in range(8)]
    wait_until(lambda: sum(one.done() for one in dripping) == 5)
    refused = [one for one in dripping if one.done()]
    late = [one for one in dripping if one not in refused]
    for _ in range(5):
        answer = post(predict_body(photo_uri)).result(60)
        assert "result" in answer.json["results"][0]
    refused.append(post(predict_body(f"{host.url}/more.png")))
    assert error_of(refused[-1])["code"] == "overloaded"
    assert not any(one.done() for one in late)  # all that was while the host drips
    for one in refused:
        assert "127.0.0.1 is slow: 3 of its images" in error_of(one)["message"]
    for one in late:
        assert "takes too long: check that host" in error_of(one)["message"]


def test_tasks_behind_those_of_a_dripping_host_are_answered(open_post, host, photo_uri):
    post = open_post(image_timeout_s=5.0)
    uris = [f"{host.url}/{n}.png" for n in range(40)] + [photo_uri] * 4
    items = post(predict_body(*uris)).result(100).json["results"]
    assert all("result" in item for item in items[40:])
    codes = [item["error"]["code"] for item in items[:40]]
    assert set(codes) == {"image_not_found", "overloaded"}
    assert codes.count("image_not_found") < 10  # each of which took its 5 s
