"""Four workers of one `serve`: whichever is asked, the answer is the same, and nothing is lost."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import requests

from tests.support.annotations import CONFIG, EVERY_PIXEL, rectangle
from tests.support.fake_label_studio import LEGACY, FakeLabelStudio, Reply
from tests.support.request_bodies import click
from tests.support.running_service import RunningService
from tests.support.waiting import wait_until

N = 4
ASKED = "9.900"  # learns nothing
TAUGHT = {"id": 1, "created_at": "1970-01-01T00:01:40.500000Z", "label_config": CONFIG}
KEY = "1.100"  # of TAUGHT
PARAMS = EVERY_PIXEL.model_dump(include={"auto_negatives", "min_region_px", "min_score"})
UPLOAD = "/data/upload/1/photo.png"


@pytest.fixture(scope="module")
def studio():
    server = FakeLabelStudio()
    yield server
    server.close()


@pytest.fixture(scope="module")
def service(make_running, studio) -> RunningService:
    """Without a key: the token comes with a /setup."""
    found = make_running(
        WORKERS=str(N), REFINER="none", LEARN_EVERY="1", LABEL_STUDIO_URL=studio.url
    )
    wait_until(lambda: workers(found)["ready"] == N, 300)
    return found


@pytest.fixture(scope="module")
def uris(png_uri) -> list[str]:
    """No two alike."""
    colors = np.random.default_rng(0).integers(0, 255, (8, 6, 8, 3), dtype=np.uint8)
    return [png_uri(image.repeat(8, axis=0).repeat(8, axis=1)) for image in colors]


def workers(service: RunningService) -> dict[str, int]:
    found: dict[str, int] = service.ask("GET", "/ready").json()["workers"]
    return found


def from_every_worker(service: RunningService, ask: Callable[[], Any]) -> list[Any]:
    """What is answered until each worker has answered /ready in between, which it does by turns."""
    seen: set[int] = set()
    found = []
    while len(seen) < N:
        found.append(ask())
        seen.add(workers(service)["answering"])
    return found


def setup(service: RunningService, project: str, **more: object) -> str:
    body = {"project": project, "schema": CONFIG, "extra_params": PARAMS, **more}
    answer = service.ask("POST", "/setup", json=body)
    assert answer.ok, answer.text
    return str(answer.json()["model_version"])


def predict(service: RunningService, project: str, tasks: dict[int, str], *clicks: object):
    context = {"result": list(clicks)} if clicks else None
    body = {
        "tasks": [{"id": n, "data": {"image": uri}} for n, uri in tasks.items()],
        "project": project, "label_config": CONFIG, "params": {"context": context},
    }  # fmt: skip
    return service.ask("POST", "/predict", json=body).json()["results"]


def annotated(number: int, uri: str) -> dict[str, object]:
    one = {"id": number, "result": [rectangle()], "updated_at": "2026-01-01T00:00:00Z"}
    task = {"id": number, "data": {"image": uri}}
    return {"action": "ANNOTATION_CREATED", "project": TAUGHT, "annotation": one, "task": task}


def test_settings_and_predictions_are_those_of_all_workers(service, uris):
    version = setup(service, ASKED)
    answers = from_every_worker(service, lambda: predict(service, ASKED, dict(enumerate(uris[:2]))))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0]["model_version"] == version
    assert all("result" in item for item in answers[0])


def test_a_click_finds_what_was_loaded_when_its_task_was_opened(service, uris):
    """Each task belongs to one worker, whichever was asked."""
    setup(service, ASKED)
    tasks = dict(enumerate(uris, 100))
    for task in tasks.items():
        predict(service, ASKED, dict([task]))
    before = service.metric('firstpass_feature_cache_total{kind="misses"}')
    for task in tasks.items():
        for n in (1, 2):
            (item,) = predict(service, ASKED, dict([task]), *[click(40, 40)] * n)
            assert len(item["result"]) == 1
    assert service.metric('firstpass_feature_cache_total{kind="misses"}') == before


def test_a_photo_of_the_page_is_found_from_every_worker(service):
    photo = service.ask("POST", "/page/photo", data=sample(service)).json()["photo"]
    asked = {"photo": photo, "labels": "cat, dog"}

    def segment() -> object:
        answer = service.ask("POST", "/page/segment", json=asked)
        assert answer.ok, answer.text
        assert service.ask("GET", f"/page/photo/{photo}").headers["Content-Type"] == "image/jpeg"
        return answer.json()["map"]

    maps = from_every_worker(service, segment)
    assert all(one == maps[0] for one in maps)
    assert service.ask("GET", "/page/photo/gone").status_code == 404
    assert service.ask("GET", f"/page/photo/{os.getpid()}-gone").status_code == 404


def sample(service: RunningService) -> bytes:
    name = service.ask("GET", "/page/options").json()["samples"][0]["name"]
    return service.ask("GET", f"/page/samples/{name}").content


def test_the_token_of_a_setup_serves_every_worker_and_is_on_no_disk(service, studio):
    studio.pages[UPLOAD] = Reply(sample(service))
    says = "No LABEL_STUDIO_API_KEY is given, so"
    assert any(says in one for one in service.ask("GET", "/ready").json()["degraded"])
    setup(service, ASKED, hostname=studio.url, access_token=LEGACY)
    for ready in from_every_worker(service, lambda: service.ask("GET", "/ready").json()):
        assert not any(says in one for one in ready["degraded"])
    for n in range(4 * N):  # each belongs to one of them
        (item,) = predict(service, ASKED, {200 + n: UPLOAD})
        assert "error" not in item
    for path in (service.log.parent / "data").rglob("*"):
        assert not (path.is_file() and LEGACY.encode() in path.read_bytes())


def test_what_failed_in_one_worker_is_said_by_all(service):
    for n in range(2 * N):
        (item,) = predict(service, "7.700", {n: "data:image/png;base64,AAAA"})
        assert item["error"]["code"] == "image_broken"

    def failures() -> list[Any]:
        found = service.ask("GET", "/ready").json()["failures"]
        return [one for one in found if one["project"] == "7.700"]

    assert all(
        [(one["code"], one["count"]) for one in found] == [("image_broken", 2 * N)]
        for found in from_every_worker(service, failures)
    )


def n_annotations(service: RunningService) -> int:
    """That have taught."""
    rows = service.ask("GET", "/page/status").json()["projects"]
    return sum(row["annotations"] for row in rows if row["project"] == KEY)


def test_each_correction_is_learned_once_and_gives_one_version(service, uris):
    setup(service, KEY)
    before = service.metric('firstpass_learning_total{kind="lessons"}')
    threads = [
        threading.Thread(target=service.ask, args=("POST", "/webhook"), kwargs={"json": event})
        for event in [annotated(n, uri) for n, uri in enumerate(uris, 1)] * 2  # each twice
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: service.metric("firstpass_queue_size") == 0, 120)
    assert service.metric('firstpass_learning_total{kind="events"}') >= 2 * len(uris)
    n_lessons = service.metric('firstpass_learning_total{kind="lessons"}') - before
    assert len(uris) <= n_lessons  # two workers may make a lesson at once, which is stored once
    assert n_annotations(service) == len(uris)
    versions = from_every_worker(service, lambda: setup(service, KEY))
    assert len(set(versions)) == 1
    assert versions[0].startswith(f"mem{len(uris)}-")
    items = from_every_worker(service, lambda: predict(service, KEY, {1: uris[0]}))
    assert all(one == items[0] for one in items)
    assert items[0][0]["model_version"] == versions[0]


def test_a_killed_worker_is_replaced_and_costs_at_most_what_it_was_answering(service, uris):
    setup(service, ASKED)
    expected = {n: predict(service, ASKED, {n: uri}) for n, uri in enumerate(uris)}
    counted = service.metric('firstpass_requests_total{route="/predict",status="200"}')
    n_taught = n_annotations(service)
    stopping = threading.Event()
    outcomes: Counter[str] = Counter()

    def go_on(n: int) -> None:
        while not stopping.is_set():
            try:
                right = predict(service, ASKED, {n: uris[n]}) == expected[n]
                outcomes["right" if right else "wrong"] += 1
            except requests.RequestException:
                outcomes["unanswered"] += 1

    threads = [threading.Thread(target=go_on, args=(n,)) for n in range(len(uris))]
    for thread in threads:
        thread.start()
    victim = workers(service)["answering"]
    assert service.ask("POST", "/webhook", json=annotated(50, uris[0])).status_code == 201
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: workers(service)["ready"] < N)  # it takes no requests while it loads
    n_right = outcomes["right"]
    wait_until(lambda: outcomes["right"] > n_right + 2 * len(uris), 300)
    wait_until(lambda: workers(service)["ready"] == N, 300)
    stopping.set()
    for thread in threads:
        thread.join()
    assert outcomes["wrong"] == 0
    assert outcomes["unanswered"] <= len(uris)
    assert victim not in service.worker_pids()
    after = service.metric('firstpass_requests_total{route="/predict",status="200"}')
    assert after >= counted + outcomes["right"]  # the killed one's are still in the sum
    wait_until(lambda: service.metric("firstpass_queue_size") == 0, 120)
    wait_until(lambda: n_annotations(service) == n_taught + 1, 120)
    assert "Traceback" not in service.log.read_text()


def test_the_start_block_is_printed_once(service):
    assert service.log.read_text().count("Firstpass is ready") == 1
