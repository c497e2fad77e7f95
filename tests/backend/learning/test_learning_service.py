"""Learning over HTTP: what was answered 201 is learned, whatever dies in between."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

from backend.http.app import create_app
from backend.learning.event_queue import EventQueue, QueueConfig
from backend.prediction.text_cache import CachedTextEncoder
from backend.service import Service
from tests.support.annotations import CONFIG, PROJECT, deletion, rectangle
from tests.support.waiting import wait_until

SETUP = {"project": "1.100", "schema": CONFIG, "extra_params": {"auto_negatives": False}}


def annotated(n: int, uri: str) -> dict[str, Any]:
    """An annotation of the whole photo as a dog, by a rectangle."""
    one = {"id": n, "result": [rectangle()], "updated_at": "2026-01-01T00:00:00Z"}
    task = {"id": n, "data": {"image": uri}}
    return {"action": "ANNOTATION_CREATED", "project": PROJECT, "annotation": one, "task": task}


@pytest.fixture
def restart(settings, tiny_segmenter) -> Iterator[Any]:
    """Start a service in this process, on the data of one that is gone.

    Its queue delivers the events of dead workers at once, for which a service waits a minute.
    """
    started: list[Service] = []

    def restart(data_dir: Path) -> FlaskClient:
        service = Service(settings.model_copy(update={"data_dir": data_dir}))
        encode_text = CachedTextEncoder(tiny_segmenter.encode_text, service.store)
        service.segmenter = replace(tiny_segmenter, encode_text=encode_text)
        service.events = EventQueue(service.store, data_dir, QueueConfig(claim_after_s=0.0))
        service.load_model()
        service.learning_worker.start()
        started.append(service)
        return create_app(service).test_client()

    yield restart
    for service in started:
        service.learning_worker.stop()
        service.store.close()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the worker in /proc")
def test_what_was_taken_in_is_learned_after_a_kill(start, restart, tmp_path, photo_uri):
    first = start(PRECISION="float32")  # as the second one, on every CPU
    first.wait_until_ready()
    plain = first.ask("POST", "/setup", json=SETUP).json()["model_version"]
    for n in range(5):
        assert first.ask("POST", "/webhook", json=annotated(n, photo_uri)).status_code == 201
    first.kill()

    second = restart(tmp_path / "data")

    def version() -> str:
        return second.post("/setup", json=SETUP).json["model_version"]

    wait_until(lambda: version().startswith("mem1-"))
    assert {plain, version()} <= set(second.get("/versions").json["versions"])
    # An event is acknowledged a moment after its lessons are stored.
    wait_until(lambda: "firstpass_queue_size 0.0" in second.get("/metrics").text)
    assert 'firstpass_text_cache_total{kind="misses"}' in second.get("/metrics").text


def test_switched_off_nothing_is_queued_but_deletions(start, photo_uri):
    service = start(LEARN="off")
    service.wait_until_ready()
    answer = service.ask("POST", "/webhook", json=annotated(1, photo_uri))
    assert answer.json() == {"status": "ignored"}
    assert service.ask("POST", "/webhook", json=deletion(1)).status_code == 201
    assert requests.get(f"{service.url}/health", timeout=60).ok
