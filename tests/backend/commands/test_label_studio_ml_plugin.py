"""The annotator inside label-studio-ml 2.x, where that is installed."""

import pytest

from tests.support.label_configs import CAT_DOG_CONFIG
from tests.support.recorded import recorded_body
from tests.support.request_bodies import click, predict_body

pytest.importorskip("label_studio_ml.response", reason="needs requirements-label-studio-ml.txt")


@pytest.fixture
def client(service, tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    from label_studio_ml.api import init_app

    from backend.commands.label_studio_ml_plugin import FirstpassModel, take_all_events

    take_all_events(service)
    return init_app(FirstpassModel.bound_to(service)).test_client()


def test_it_predicts_one_item_a_task(client, photo_uri):
    body = {
        "tasks": [{"id": 1, "data": {"image": photo_uri}}, {"id": 2, "data": {"image": "data:,"}}],
        "label_config": CAT_DOG_CONFIG,
        "project": "1.1",
        "params": {"login": None, "password": None, "context": None},
    }
    good, bad = client.post("/predict", json=body).json["results"]
    assert "result" in good
    assert good["model_version"]
    assert bad["error"]["code"] == "image_broken"


def test_without_any_context_it_predicts_as_with_none(client, photo_uri):
    body = {**predict_body(photo_uri), "project": "9.1"}
    every_pixel = {"auto_negatives": False, "min_region_px": 1, "min_score": 0}
    setup = {"project": "9.1", "schema": body["label_config"], "extra_params": every_pixel}
    assert client.post("/setup", json=setup).status_code == 200
    answers = []
    for params in ({}, {"context": None}):
        (item,) = client.post("/predict", json={**body, "params": params}).json["results"]
        answers.append([region["value"] for region in item["result"]])
    assert answers[0] == answers[1] != []


def test_a_click_is_answered_with_one_region(client, photo_uri):
    body = predict_body(photo_uri, context={"result": [click(47, 42)]})
    (item,) = client.post("/predict", json=body).json["results"]
    assert len(item["result"]) == 1


@pytest.mark.parametrize("params", [{"method": "clip"}, '{"method": "clip"}'])
def test_setup_takes_extra_params_as_object_and_text(client, params):
    body = {"project": "8.1", "schema": CAT_DOG_CONFIG, "extra_params": params}
    answer = client.post("/setup", json=body)
    assert answer.status_code == 200
    assert "/clip/" in answer.json["model_version"]


@pytest.mark.parametrize(
    ("name", "n_queued"),
    [
        ("ANNOTATION_CREATED", 1),
        ("ANNOTATION_UPDATED", 1),
        ("START_TRAINING", 1),
        # These the framework itself drops.
        ("ANNOTATIONS_CREATED_bulk", 1),
        ("ANNOTATIONS_DELETED", 1),
        ("TASKS_DELETED", 1),
        ("TASKS_CREATED", 0),
    ],
)
def test_recorded_events_are_queued(client, service, name, n_queued):
    before = service.events.counts["pushed"]
    event = recorded_body(f"webhook_{name}")
    assert client.post("/webhook", json=event).status_code == 201
    assert service.events.counts["pushed"] == before + n_queued


@pytest.mark.parametrize("event", [[], {}, {"action": "ANNOTATION_CREATED"}])
def test_an_event_that_is_none_is_refused_in_a_sentence(client, event):
    answer = client.post("/webhook", json=event)
    assert answer.status_code == 400
    assert "needs" in answer.text
