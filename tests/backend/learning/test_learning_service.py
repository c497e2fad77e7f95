"""Learning over the socket: what was answered 201 is learned, whatever dies in between."""

import os
import signal
import time
from pathlib import Path

import pytest
import requests

CONFIG = """<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image">
<Label value="Cat"/><Label value="Dog"/></BrushLabels></View>"""
PROJECT = {"id": 1, "created_at": "1970-01-01T00:01:40.5Z", "label_config": CONFIG}
SETUP = {"project": "1.100", "schema": CONFIG, "extra_params": {"auto_negatives": False}}


def annotated(n: int, uri: str) -> dict:
    """An annotation of the whole photo as a cat, by a rectangle."""
    region = {
        "type": "rectanglelabels", "from_name": "rect", "to_name": "image", "id": "r",
        "original_width": 64, "original_height": 48,
        "value": {"x": 0, "y": 0, "width": 100, "height": 100, "rectanglelabels": ["Cat"]},
    }  # fmt: skip
    one = {"id": n, "result": [region], "updated_at": "2026-01-01T00:00:00Z"}
    task = {"id": n, "data": {"image": uri}}
    return {"action": "ANNOTATION_CREATED", "project": PROJECT, "annotation": one, "task": task}


def version(service) -> str:
    return service.ask("POST", "/setup", json=SETUP).json()["model_version"]


def wait_until(claim, timeout_s: float = 240) -> None:
    deadline = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def kill_hard(service) -> None:
    """The service and its worker at once, as when the machine's memory is full."""
    server = service.process.pid
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    for pid in (server, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    service.process.wait(60)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the worker in /proc")
def test_what_was_taken_in_is_learned_after_a_kill(start, photo_uri):
    first = start()
    first.wait_until_ready()
    plain = version(first)
    for n in range(5):
        assert first.ask("POST", "/webhook", json=annotated(n, photo_uri)).status_code == 201
    kill_hard(first)

    second = start()
    second.wait_until_ready()
    wait_until(lambda: version(second).startswith(f"{plain}+memory-"))
    versions = second.ask("GET", "/versions").json()["versions"]
    assert {plain, version(second)} <= set(versions)
    # An event is done a moment after what it taught counts.
    wait_until(lambda: "firstpass_queue_size 0.0" in second.ask("GET", "/metrics").text)
    metrics = second.ask("GET", "/metrics").text
    assert 'firstpass_text_cache_total{kind="misses"}' in metrics


def test_switched_off_nothing_is_queued_but_deletions(start, photo_uri):
    service = start(LEARN="off")
    service.wait_until_ready()
    assert service.ask("POST", "/webhook", json=annotated(1, photo_uri)).json() == {
        "status": "ignored"
    }
    gone = {"action": "ANNOTATIONS_DELETED", "project": PROJECT, "annotations": [{"id": 1}]}
    assert service.ask("POST", "/webhook", json=gone).status_code == 201
    assert requests.get(f"{service.url}/health", timeout=60).ok
