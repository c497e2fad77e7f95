"""The annotator inside label-studio-ml 2.x, where that is installed."""

import pytest

from tests.support.label_configs import CAT_DOG_CONFIG
from tests.support.recorded import recorded_body

pytest.importorskip("label_studio_ml.response", reason="needs requirements-label-studio-ml.txt")


@pytest.fixture
def client(service, tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    from label_studio_ml.api import init_app

    from backend.commands.label_studio_ml_plugin import FirstpassModel

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


@pytest.mark.parametrize("params", [{"method": "clip"}, '{"method": "clip"}'])
def test_setup_takes_extra_params_as_object_and_text(client, params):
    body = {"project": "8.1", "schema": CAT_DOG_CONFIG, "extra_params": params}
    answer = client.post("/setup", json=body)
    assert answer.status_code == 200
    assert "/clip/" in answer.json["model_version"]


def test_recorded_events_are_queued(client, service):
    before = service.events.counts["pushed"]
    event = recorded_body("webhook_ANNOTATION_CREATED")
    assert client.post("/webhook", json=event).status_code == 201
    assert service.events.counts["pushed"] == before + 1
