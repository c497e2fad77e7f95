"""Replicas behind a load balancer: with one Redis, any of them answers any request."""

import pytest

from tests.support.annotations import CONFIG, PROJECT, rectangle
from tests.support.running_service import start_service
from tests.support.valkey_server import valkey_server
from tests.support.waiting import wait_until

SETUP = {"project": "1.100", "schema": CONFIG, "extra_params": {"auto_negatives": False}}


@pytest.fixture
def replicas(tiny_checkpoint, tmp_path):
    with valkey_server(tmp_path / "valkey") as redis:
        started = []
        for name in ("left", "right"):
            folder = tmp_path / name
            folder.mkdir()
            started.append(
                start_service(folder, tiny_checkpoint, REDIS_URL=redis.url, LEARN_EVERY="1")
            )
        for one in started:
            one.wait_until_ready()
        yield started
        for one in started:
            one.process.terminate()
            one.process.wait(120)


def test_what_one_was_told_and_has_learned_the_other_predicts_with(replicas, photo_uri):
    left, right = replicas
    body = {
        "tasks": [{"id": 9, "data": {"image": photo_uri}}],
        "label_config": CONFIG,
        "project": SETUP["project"],
        "params": {},
    }

    def ask(replica):
        return replica.ask("POST", "/predict", json=body).json()["results"]

    def version() -> str:
        return right.ask("POST", "/setup", json=SETUP).json()["model_version"]

    assert left.ask("POST", "/setup", json=SETUP).ok
    plain = ask(left)
    assert ask(right) == plain  # with the extra params that only the left one was sent
    event = {
        "action": "ANNOTATION_CREATED",
        "project": PROJECT,
        "annotation": {"id": 1, "result": [rectangle()], "updated_at": "2026-01-01T00:00:00Z"},
        "task": {"id": 1, "data": {"image": photo_uri}},
    }
    assert left.ask("POST", "/webhook", json=event).status_code == 201
    wait_until(lambda: version().startswith("mem1-"))
    learned = ask(left)
    assert learned[0]["model_version"] == version() != plain[0]["model_version"]
    assert ask(right) == learned
