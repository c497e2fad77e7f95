"""No host of images has more than its places, and a slow one is not waited for."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from backend.errors import ImageNotFound, OutOfTime, Overloaded
from backend.images.host_places import HostPlaces
from backend.images.loader import ImageLoader
from backend.timed_http import Deadline
from tests.support.dripper import Dripper
from tests.support.fake_label_studio import Reply, WebServer
from tests.support.image_files import PNG_REPLY, is_the_image, loader
from tests.support.waiting import wait_until

PATIENT_S, HASTY_S = 60.0, 0.0


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def hold(places: HostPlaces, host: str, until: threading.Event) -> None:
    with places.place(host):
        until.wait(60)


def test_who_waits_gets_the_place_that_comes_free(threads):
    places, done = HostPlaces(2, PATIENT_S), threading.Event()
    waiting = [threads.submit(hold, places, "a.example", done) for _ in range(5)]
    with places.place("b.example"):  # of another host, at once
        assert not any(one.done() for one in waiting)
    done.set()
    for one in waiting:
        one.result(60)


def test_a_host_that_kept_somebody_waiting_is_asked_for_one_image_at_a_time():
    places = HostPlaces(2, HASTY_S)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(places.place("a.example"))
        for _ in range(2):
            with pytest.raises(Overloaded, match=r"a\.example is slow: 2 of its images"):
                held.enter_context(places.place("a.example"))
        held.enter_context(places.place("b.example"))
    with places.place("a.example"), places.place("a.example"):  # since both ended well
        pass


def fail(places: HostPlaces, host: str) -> None:
    with pytest.raises(ImageNotFound), places.place(host):
        raise ImageNotFound("broken off")


@pytest.mark.parametrize(("wait_s", "is_slow"), [(HASTY_S, True), (PATIENT_S, False)])
def test_only_what_fails_after_a_while_makes_a_host_slow(wait_s, is_slow):
    places = HostPlaces(2, wait_s)
    fail(places, "a.example")
    with places.place("a.example"), ExitStack() as second:
        if is_slow:
            with pytest.raises(Overloaded):
                second.enter_context(places.place("a.example"))
        else:
            second.enter_context(places.place("a.example"))


def test_a_request_whose_time_ends_meanwhile_says_nothing_of_the_host():
    places = HostPlaces(1, PATIENT_S)
    with places.place("a.example"), pytest.raises(OutOfTime), Deadline(0.01):
        places.place("a.example").__enter__()
    with Deadline(60), places.place("a.example"):
        pass


@pytest.fixture
def dripper() -> Iterator[Dripper]:
    """A host whose images never end; its name is not `web`'s, since places belong to names."""
    host = Dripper(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"a")
    host.url = host.url.replace("127.0.0.1", "localhost")
    yield host
    host.stop()


def hasty_loader(studio: WebServer, n_places: int) -> ImageLoader:
    """Of which one host has so many places, for which nobody waits long."""
    load = loader(studio, allowed_hosts=("*",), timeout_s=60)
    load.download.hosts = HostPlaces(n_places, 0.1)
    return load


def test_a_dripping_host_leaves_the_downloads_of_others_alone(studio, web, dripper, threads):
    web.pages["/a.png"] = PNG_REPLY
    load = hasty_loader(studio, n_places=2)
    dripping = [threads.submit(load, f"{dripper.url}/{n}.png") for n in range(8)]
    wait_until(lambda: sum(one.done() for one in dripping) == 6)
    assert is_the_image(load(f"{web.url}/a.png"))
    assert sum(one.done() for one in dripping) == 6  # the others drip on
    dripper.stop()
    errors = [str(one.exception(60)) for one in dripping]
    assert sum("localhost is slow: 2 of its images" in error for error in errors) == 6
    assert sum("broke off" in error for error in errors) == 2


def test_a_redirect_takes_a_place_of_the_host_that_it_leads_to(studio, web, dripper, threads):
    web.pages["/a.png"] = PNG_REPLY
    web.pages["/b.png"] = Reply(b"", 302, {"Location": f"{dripper.url}/b.png"})
    load = hasty_loader(studio, n_places=1)
    dripping = threads.submit(load, f"{web.url}/b.png")
    wait_until(lambda: dripper.sent_bytes)
    assert is_the_image(load(f"{web.url}/a.png"))
    with pytest.raises(Overloaded, match="localhost is slow"):
        load(f"{dripper.url}/c.png")
    assert not dripping.done()
    dripper.stop()


def test_a_host_that_runs_into_the_deadline_is_slow(studio, dripper):
    load = loader(studio, allowed_hosts=("*",), timeout_s=0.5)
    with pytest.raises(ImageNotFound, match="takes too long"):
        load(f"{dripper.url}/a.png")
    with load.download.hosts.place("localhost"), pytest.raises(Overloaded):
        load(f"{dripper.url}/b.png")
