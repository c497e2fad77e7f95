"""Foreign bytes under every key that Firstpass keeps: the service answers, and says so once."""

import fnmatch
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from backend.http.app import create_app
from backend.learning.event_queue import EventQueue, QueueConfig
from backend.prediction.text_cache import CachedTextEncoder
from backend.service import Service
from backend.store import keys
from backend.store.store import Store
from tests.support.annotations import CONFIG, KEY, PROJECT, rectangle
from tests.support.logs import warnings_of
from tests.support.request_bodies import predict_body
from tests.support.stores import open_patient_store

# Patterns of the keys that a service makes which has learned and predicted.
FAMILIES = {
    "events": keys.CORRECTIONS_KEY,
    "size of the events": keys.CORRECTIONS_BYTES_KEY,
    "tries": keys.CORRECTIONS_TRIES_KEY,
    "set aside": keys.SET_ASIDE_KEY,
    "size of the set aside": keys.SET_ASIDE_BYTES_KEY,
    "projects": keys.MEMORY_PROJECTS_KEY,
    "state": keys.memory_key(KEY, "state"),
    "annotations": keys.memory_key(KEY, "annotations"),
    "lessons": keys.memory_key(KEY, "lessons"),
    "settings": keys.project_settings_key(KEY),
    "digest of the config": keys.project_config_key(KEY),
    "predicted masks": keys.predicted_masks_key(KEY, "*"),
    "features": keys.features_key("*", "*"),
    "texts": "firstpass:text:*=*",
    "lock of the texts": "firstpass:text:*:lock",
}
# Of these the type alone is tried here; what is in them, in tests/backend/memory.
TABLES = {
    part: keys.memory_key(KEY, part)
    for part in keys.MEMORY_TYPES
    if part not in ("state", "annotations", "lessons")
}
GARBAGE = {
    "nothing": b"",
    "bytes": bytes(range(256)),
    "another format": b'{"format": 99, "versions": [["x", []]], "labels": ["a"], "hw": [1]}',
    "an empty object": b"{}",
    "nested": b"[" * 5000,
}
# A project's name, a lock and settings without a known key can be anything; /setup comes before the
# digest is read, and replaces it.
SILENT = {"projects", "lock of the texts", "settings", "digest of the config"}
SILENT |= {"tries", "set aside", "size of the set aside"}  # kept as they are, until they are needed
# Redis answers a read of several keys as if those of another type were missing.
SILENT_OF_OTHER_TYPE = SILENT - {"projects", "tries", "set aside"} | {
    "texts",
    "features",
    "summary",
}


def damage_values(client: redis.Redis, name: bytes, garbage: bytes) -> None:
    """Garbage in the key's own type: each field of a hash, a member of a set, a stream's entry."""
    kind: Any = client.type(name)
    fields: Any = client.hkeys(name) if kind == b"hash" else []
    for field in fields:
        client.hset(name, field, garbage)
    if kind == b"set":
        client.sadd(name, garbage)
    elif kind == b"stream":
        client.xadd(name, {"event": garbage})
    elif kind in (b"string", b"none"):
        client.set(name, garbage)


def damage_type(client: redis.Redis, name: bytes, garbage: bytes) -> None:
    """Garbage in a list, which is the type of none of the keys."""
    client.delete(name)
    client.rpush(name, garbage)


@pytest.fixture(scope="module")
def own_store(tmp_path_factory) -> Iterator[Store]:
    store = open_patient_store(tmp_path_factory.mktemp("damaged"))
    yield store
    store.close()


@pytest.fixture(scope="module")
def start(settings, tiny_segmenter, own_store, tmp_path_factory) -> Callable[[], Service]:
    """A new service on the store, which has nothing in its memory."""
    folder = tmp_path_factory.mktemp("data")

    def start() -> Service:
        changes = {"data_dir": folder, "learn_every": 1, "feature_store_s": 60}
        service = Service(settings.model_copy(update=changes))
        service.store = own_store
        encode_text = CachedTextEncoder(tiny_segmenter.encode_text, own_store)
        service.segmenter = replace(tiny_segmenter, encode_text=encode_text)
        service.events = EventQueue(own_store, folder, QueueConfig(claim_after_s=0.0))
        service.load_model()
        return service

    return start


def annotated(n: int, uri: str) -> dict[str, Any]:
    one = {"id": n, "result": [rectangle()], "updated_at": "2026-01-01T00:00:00Z"}
    task = {"id": 1, "data": {"image": uri}}
    return {"action": "ANNOTATION_CREATED", "project": PROJECT, "annotation": one, "task": task}


def work_off(service: Service) -> None:
    """Process what can be; events that wait for a person to repair the store come again."""
    for _ in range(12):
        if not service.learning_worker.process_one():
            return


def ask_everything(client: FlaskClient, uri: str, event: int) -> None:
    """All that Label Studio and a probe ask; each must be answered as if nothing were wrong."""
    body = {"project": KEY, "schema": CONFIG, "extra_params": {"auto_negatives": False}}
    assert client.post("/predict", json=predict_body(uri) | {"project": KEY}).status_code == 200
    assert client.post("/setup", json=body).status_code == 200
    answer: Any = client.post("/predict", json=predict_body(uri) | {"project": KEY})
    assert [item for item in answer.json["results"] if "result" not in item] == []
    assert client.post("/webhook", json=annotated(event, uri)).status_code == 201
    for path in ("/ready", "/versions", "/metrics"):
        assert client.get(path).status_code == 200, path


@pytest.fixture(scope="module")
def learned(start, own_store, photo_uri) -> dict[bytes, bytes]:
    """All that is stored after predictions and a correction, while another one waits."""
    service = start()
    client = create_app(service).test_client()
    ask_everything(client, photo_uri, 1)
    work_off(service)
    client.post("/webhook", json=annotated(7, "data:,no image"))
    work_off(service)
    client.post("/webhook", json=annotated(2, photo_uri))
    service.events.tries.begin(service.events.take(1)[0].id)  # its process was killed
    dump: dict[bytes, bytes] = own_store.run(
        "look", lambda client: {name: client.dump(name) for name in client.keys("*")}
    )
    return dump


@pytest.fixture
def families(learned, own_store) -> dict[str, list[bytes]]:
    """The keys of each family, with the values that a service stored there."""

    def restore(client: redis.Redis) -> None:
        client.flushall()
        for name, value in learned.items():
            client.restore(name, 0, value)

    own_store.run("restore", restore)
    found = {
        family: fnmatch.filter(map(bytes.decode, learned), FAMILIES[family]) for family in FAMILIES
    }
    found |= {part: [name] for part, name in TABLES.items()}
    found["lock of the texts"] = [found["texts"][0].split("=")[0] + ":lock"]
    return {family: [name.encode() for name in names] for family, names in found.items()}


def test_every_key_of_a_service_that_learned_is_of_a_known_family(families, learned):
    assert all(families.values())
    assert set(learned) <= {name for names in families.values() for name in names}


CASES = [
    *((family, damage_values, kind) for family in FAMILIES for kind in GARBAGE),
    *((family, damage_type, "bytes") for family in (*FAMILIES, *TABLES)),
]


@pytest.mark.parametrize(("family", "damage", "kind"), CASES)
def test_foreign_data_in_the_store_stops_no_answer_and_is_logged_once(
    families, start, own_store, photo_uri, caplog, family, damage, kind
):
    for name in families[family]:
        own_store.run("spoil", lambda client, name=name: damage(client, name, GARBAGE[kind]))
    caplog.set_level(logging.WARNING)
    service = start()
    client = create_app(service).test_client()
    if family == "predicted masks":  # before a prediction stores others
        work_off(service)
    for event in (3, 4):
        ask_everything(client, photo_uri, event)
        work_off(service)
    warnings = warnings_of(caplog)
    assert len(set(warnings)) == len(warnings)
    assert warnings or family in (SILENT if damage == damage_values else SILENT_OF_OTHER_TYPE)
    assert not [record for record in caplog.records if record.exc_info]
