"""The app as gunicorn serves it, with and without our own command around it."""

import threading
from functools import partial
from typing import Any

import pytest

from tests.support.annotations import CONFIG, PROJECT, TRAIN, deletion, rectangle
from tests.support.dripper import Dripper
from tests.support.request_bodies import predict_body
from tests.support.running_service import RunningService
from tests.support.waiting import wait_until

SETUP = {"project": "1.100", "schema": CONFIG, "extra_params": {"auto_negatives": False}}


def lines_with(service: RunningService, words: str) -> list[str]:
    return [line for line in service.log.read_text().splitlines() if words in line]


def teach_and_forget(service: RunningService, uri: str) -> None:
    """A lesson, a version of it, and its deletion."""
    one = {"id": 17, "result": [rectangle()], "updated_at": "2026-01-01T00:00:00Z"}
    task = {"id": 5, "data": {"image": uri}}
    taught = {"action": "ANNOTATION_CREATED", "project": PROJECT, "annotation": one, "task": task}
    for events, n_processed in (((taught, TRAIN, TRAIN), 3), ((deletion(17),), 4)):
        for event in events:
            assert service.ask("POST", "/webhook", json=event).status_code == 201
        wait_until(partial(has_processed, service, n_processed))


def has_processed(service: RunningService, n_events: int) -> bool:
    said = service.ask("GET", "/metrics").text
    return f'firstpass_learning_total{{kind="events"}} {n_events}.0' in said


@pytest.mark.parametrize("by_gunicorn", [False, True])
def test_what_a_project_learns_and_forgets_is_logged_in_one_line_each(
    start, photo_uri, by_gunicorn
):
    service = start(by_gunicorn=by_gunicorn, CLIP_PRETRAIND="x", TRAINING_WAIT_S="0")
    service.wait_until_ready()
    assert service.ask("POST", "/setup", json=SETUP).ok
    teach_and_forget(service, photo_uri)
    for sentence in (
        "INFO    project 1.100, annotation 17: learned 1 label (Dog). No version yet, "
        "1 changed annotation since.",
        "INFO    project 1.100: version 1-",
        " made of 1 annotation with 1 label (Dog 1).",
        "INFO    project 1.100: training makes no version, since nothing changed. Newest",
        "INFO    project 1.100: 1 annotation (17) deleted; what they taught is out of every",
        "WARNING CLIP_PRETRAIND is not a setting",
    ):
        assert len(lines_with(service, sentence)) == 1, sentence


def test_the_log_level_counts_under_gunicorn_too(start, photo_uri):
    service = start(by_gunicorn=True, LOG_LEVEL="warning")
    service.wait_until_ready()
    teach_and_forget(service, photo_uri)
    assert lines_with(service, "learned 1 label") == []


def test_a_model_that_cannot_be_loaded_is_said_under_gunicorn_too(start):
    service = start(by_gunicorn=True, CLIP_PRETRAINED="nowhere.safetensors")
    wait_until(lambda: lines_with(service, "ERROR   The model cannot be loaded"))
    answer = service.ask("GET", "/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "failed")
    assert len(lines_with(service, "nowhere.safetensors")) == 1


def test_a_server_that_stops_waits_for_no_download(start):
    host = Dripper(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"a")
    service = start(
        IMAGE_TIMEOUT_S="3600", PREDICT_BUDGET_S="3600", IMAGE_HOSTS_ALLOWED="127.0.0.1"
    )
    service.wait_until_ready()
    answers: list[dict[str, Any]] = []
    body = predict_body(f"{host.url}/a.png", f"{host.url}/b.png", f"{host.url}/c.png")
    asking = threading.Thread(
        target=lambda: answers.append(service.ask("POST", "/predict", json=body).json())
    )
    asking.start()
    wait_until(lambda: host.sent_bytes)
    service.process.terminate()
    asking.join(60)
    assert [item["error"]["code"] for item in answers[0]["results"]] == ["image_not_found"] * 3
