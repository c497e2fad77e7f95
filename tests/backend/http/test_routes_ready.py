"""/health, /ready and /metrics: what the service says of itself."""

from typing import Any

import pytest

from backend.errors import SettingsError
from backend.http.app import create_app
from backend.http.degradations import model_degradations
from backend.recent_failures import RecentFailures
from tests.support.request_bodies import predict_body


@pytest.mark.parametrize("path", ["/", "/health"])
def test_health_is_up_even_while_the_model_loads(loading, path):
    answer = loading.get(path)
    assert answer.status_code == 200
    assert answer.json["status"] == "UP"


def test_ready_says_what_predicts_and_what_is_degraded(client):
    answer = client.get("/ready")
    assert answer.status_code == 200
    assert answer.json["status"] == "ready"
    assert answer.json["model"].startswith("tiny_clip")
    assert (answer.json["device"], answer.json["precision"]) == ("cpu", "float32")
    assert answer.json["store"]["up"] is True
    assert any("LABEL_STUDIO_API_KEY" in sentence for sentence in answer.json["degraded"])
    assert any("No GPU" in sentence for sentence in answer.json["degraded"])


def described(**changes):
    """Of an ordinary model on a GPU, as by Annotator.describe."""
    return {"model": "ViT-B-16/openai-1a2b3c4d", "device": "cuda", "tower_warning": "", **changes}


def test_the_starter_is_called_what_it_is():
    (starter,) = model_degradations(described(model="starter-1a2b3c4d"))
    assert "CLIP_PRETRAINED=openai" in starter
    assert model_degradations(described()) == []


def test_a_tower_that_is_too_deep_to_be_read_well_is_said():
    warning = "The image tower has 32 blocks. …"
    assert model_degradations(described(tower_warning=warning)) == [warning]


def test_ready_is_503_while_the_model_loads(loading):
    answer = loading.get("/ready")
    assert (answer.status_code, answer.json["status"]) == (503, "loading")


def test_ready_says_why_when_the_model_could_not_be_loaded(make_service):
    service = make_service(is_loaded=False)
    service.model_loaded.set_exception(SettingsError("no such weights"))
    answer: Any = create_app(service).test_client().get("/ready")
    assert (answer.status_code, answer.json["status"]) == (503, "failed")
    assert "no such weights" in answer.json["message"]


def test_ready_names_recent_failures_by_project_and_cause(client, photo_uri):
    """Label Studio's own answer to its user is "Retrieved 2 predictions"."""
    for project in ("5.100", "6.100", "6.100"):
        body = predict_body(photo_uri, "data:,broken", "data:,broken") | {"project": project}
        client.post("/predict", json=body)
    found = client.get("/ready").json["failures"]
    assert [(one["project"], one["count"]) for one in found] in (
        [("6.100", 4), ("5.100", 2)], [("5.100", 2), ("6.100", 4)],
    )  # fmt: skip
    assert {(one["during"], one["code"], one["task"]) for one in found} == {
        ("predict", "image_broken", 2)
    }
    assert "no image that can be read" in found[0]["message"]


def test_what_ready_keeps_of_failures_is_bounded():
    failures = RecentFailures()
    for n in range(500):
        failures.add(f"{n}.100", "predict", "image_broken", "x" * 5000)
    found = failures.as_json()
    assert len(found) == 100
    assert len(found[0]["message"]) <= 500


def test_metrics_count_requests_tasks_and_failures(client, photo_uri):
    client.post("/predict", json=predict_body(photo_uri, "data:,broken"))
    text = client.get("/metrics").text
    assert 'firstpass_requests_total{route="/predict",status="200"}' in text
    assert 'firstpass_tasks_total{outcome="failed"}' in text
    assert 'firstpass_failures_total{code="image_broken"}' in text
    assert 'firstpass_stage_seconds_count{stage="encode"}' in text
