"""The routes: what each answers to right, wrong and hostile requests."""

import base64
import json
import threading

import pytest

from backend.errors import SettingsError
from backend.http.app import create_app
from backend.http.app_state import AppState
from backend.http.degradations import model_degradations

CONFIG = """<View><Image name="image" value="$image"/>
<BrushLabels name="tag" toName="image">
<Label value="Cat" alias="c"/><Label value="Dog"/></BrushLabels></View>"""

GIVEN = {"Authorization": "Basic " + base64.b64encode("u:päss".encode()).decode()}
WRONG = {"Authorization": "Basic " + base64.b64encode(b"u:pass").decode()}


def predict_body(*uris: str, **params) -> dict:
    return {
        "tasks": [{"id": n, "data": {"image": uri}} for n, uri in enumerate(uris, 1)],
        "label_config": CONFIG,
        "project": "1.1795366020",
        "params": {"login": None, "password": None, "context": None, **params},
    }


@pytest.fixture
def loading(make_service):
    """The client of a service whose model is not loaded yet."""
    return create_app(make_service(is_loaded=False)).test_client()


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


def test_the_starter_is_called_what_it_is():
    (starter,) = model_degradations({"model": "starter-1a2b3c4d", "device": "cuda"})
    assert "CLIP_PRETRAINED=openai" in starter
    assert model_degradations({"model": "ViT-B-16/openai-1a2b3c4d", "device": "cuda"}) == []


def test_ready_is_503_while_the_model_loads(loading):
    answer = loading.get("/ready")
    assert (answer.status_code, answer.json["status"]) == (503, "loading")


def test_ready_says_why_when_the_model_could_not_be_loaded(make_service):
    service = make_service(is_loaded=False)
    service.model_loaded.set_exception(SettingsError("no such weights"))
    answer = create_app(service).test_client().get("/ready")
    assert (answer.status_code, answer.json["status"]) == (503, "failed")
    assert "no such weights" in answer.json["message"]


@pytest.mark.parametrize(
    "params", [None, {}, "", '{"method": "clip"}', {"method": "clip"}, {"k": "v"}]
)
def test_setup_takes_extra_params_as_object_text_or_nothing(client, params):
    body = {"project": "7.1", "schema": CONFIG, "extra_params": params, "hostname": "http://ls"}
    answer = client.post("/setup", json=body)
    assert answer.status_code == 200
    assert answer.json["model_version"]


@pytest.mark.parametrize("odd", [None, 3, [], {"a": 1}])
def test_setup_takes_whatever_else_it_is_told(client, odd):
    body = {"project": odd, "schema": odd, "hostname": odd, "access_token": odd}
    assert client.post("/setup", json=body).status_code == 200


def test_setup_names_keys_that_it_ignores(client):
    answer = client.post("/setup", json={"project": "7.1", "extra_params": {"k": "v"}})
    assert "'k' is not known" in answer.json["warnings"][0]


def test_a_wrong_extra_param_is_told_where_label_studio_shows_it(client):
    """Label Studio quotes the reason phrase of the status line, and nothing of the body."""
    answer = client.post("/setup", json={"project": "7.1", "extra_params": {"method": "clap"}})
    assert answer.status_code == 400
    assert 'extra_params: method cannot be "clap"' in answer.status
    assert answer.json["error"] == "settings"


def test_what_a_project_set_up_is_used_and_named_by_its_predictions(client, photo_uri):
    versions = {}
    for method in ("clip", "firstpass"):
        client.post("/setup", json={"project": "1.1795366020", "extra_params": {"method": method}})
        answer = client.post("/predict", json=predict_body(photo_uri))
        versions[method] = answer.json["results"][0]["model_version"]
    assert "/clip/" in versions["clip"]
    assert "/firstpass/" in versions["firstpass"]


def test_setup_answers_503_while_the_model_loads(loading, monkeypatch):
    monkeypatch.setattr("backend.http.routes.SETUP_TIMEOUT_S", 0.01)
    answer = loading.post("/setup", json={"project": "1.1"})
    assert answer.status_code == 503
    assert "still loading" in answer.status


def test_predict_answers_one_result_a_task_in_order(client, photo_uri):
    answer = client.post("/predict", json=predict_body(photo_uri, "data:,broken", photo_uri))
    assert answer.status_code == 200
    first, broken, last = answer.json["results"]
    assert "result" not in broken
    assert broken["error"]["code"] == "image_broken"
    for prediction in (first, last):
        assert 0 <= prediction["score"] <= 1
        assert prediction["model_version"]
        assert {region["value"]["brushlabels"][0] for region in prediction["result"]} <= {
            "c",
            "Dog",
        }


def test_no_tasks_have_no_results(client):
    assert client.post("/predict", json=predict_body()).json == {"results": []}


def test_an_emptied_context_is_answered_empty_without_looking_at_the_image(client):
    answer = client.post(
        "/predict", json=predict_body("http://gone.invalid/x", context={"result": []})
    )
    assert answer.json["results"][0]["result"] == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"tasks": "\xff"}', "not JSON"),
        (b"[1, 2]", "must be a JSON object, not list"),
        (b"null", "must be a JSON object, not NoneType"),
        (b"{}", '"tasks"'),
        (b'{"tasks": {}}', '"tasks"'),
        (b'{"tasks": []}', '"label_config"'),
        (b'{"tasks": [], "label_config": "<View/>", "params": 3}', '"params"'),
        (b'{"tasks": [], "label_config": "<View/>", "params": {"context": "x"}}', '"context"'),
        (b"[" * 5000, "not JSON"),
    ],
)
def test_a_malformed_request_is_400_and_says_what_is_needed(client, body, said):
    answer = client.post("/predict", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json["error"] == "request"
    assert said in answer.json["message"]


@pytest.mark.parametrize("task", [None, 3, "x", [], {}, {"id": 1, "data": None}, {"data": "x"}])
def test_a_task_that_is_none_fails_alone(client, photo_uri, task):
    body = predict_body(photo_uri)
    body["tasks"].insert(0, task)
    bad, good = client.post("/predict", json=body).json["results"]
    assert "result" not in bad
    assert "result" in good


def test_a_config_with_nothing_to_paint_fails_each_task_with_its_reason(client, photo_uri):
    body = predict_body(photo_uri, photo_uri) | {"label_config": "<View><Text name='t'/></View>"}
    results = client.post("/predict", json=body).json["results"]
    assert [result["error"]["code"] for result in results] == ["label_config"] * 2


def test_versions_by_get_and_post(client):
    by_get, by_post = client.get("/versions"), client.post("/versions")
    assert by_get.json == by_post.json
    assert all(isinstance(version, str) and version for version in by_get.json["versions"])


def test_setup_and_ready_say_when_a_version_is_not_kept(client):
    body = {"project": "77.1", "schema": CONFIG, "extra_params": {"memory_version": 4}}
    (sentence,) = client.post("/setup", json=body).json["warnings"]
    assert "memory_version 4 is not kept (kept: none)" in sentence


@pytest.mark.parametrize("wrong", [True, "latest", "m3", -1, [3], "3-", "9" * 20])
def test_a_version_that_is_none_is_refused(client, wrong):
    body = {"project": "77.1", "schema": CONFIG, "extra_params": {"memory_version": wrong}}
    answer = client.post("/setup", json=body)
    assert answer.status_code == 400
    assert "memory_version cannot be" in answer.json["message"]


def test_versions_can_be_asked_for_one_project(client):
    answer = client.post("/versions", json={"project": "78.1"})
    assert len(answer.json["versions"]) == 1


def test_an_unknown_event_is_accepted_and_ignored(client):
    answer = client.post("/webhook", json={"action": "LABEL_LINK_CREATED", "project": {"id": 1}})
    assert answer.status_code == 200
    assert answer.json == {"status": "ignored"}


def test_an_event_is_queued_and_answered_201(client):
    answer = client.post("/webhook", json={"action": "START_TRAINING", "project": {"id": 1}})
    assert (answer.status_code, answer.json) == (201, {"status": "queued"})


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"action": "ANNOTATION_CREATED"}'])
def test_a_malformed_event_is_400(client, body):
    assert client.post("/webhook", data=body).status_code == 400


def test_unknown_paths_and_methods_are_json_too(client):
    lost, wrong = client.get("/nowhere"), client.get("/predict")
    assert (lost.status_code, wrong.status_code) == (404, 405)
    assert lost.json["error"] == wrong.json["error"] == "http"
    assert "POST" in wrong.headers["Allow"]


def test_a_body_over_the_limit_is_413(make_service):
    client = create_app(make_service(max_body_mb=1)).test_client()
    answer = client.post("/predict", data=b" " * (2**20 + 1))
    assert answer.status_code == 413
    assert answer.is_json


def test_an_unexpected_error_shows_no_traceback(service):
    class Failing:
        def projects(self):
            raise RuntimeError("secret detail")

    service.lessons = Failing()
    answer = create_app(service).test_client().get("/versions")
    assert answer.status_code == 500
    assert "secret" not in answer.text + answer.status
    assert "Traceback" not in answer.text


def test_metrics_count_requests_tasks_and_failures(client, photo_uri):
    client.post("/predict", json=predict_body(photo_uri, "data:,broken"))
    text = client.get("/metrics").text
    assert 'firstpass_requests_total{route="/predict",status="200"}' in text
    assert 'firstpass_tasks_total{outcome="failed"}' in text
    assert 'firstpass_failures_total{code="image_broken"}' in text
    assert 'firstpass_stage_seconds_count{stage="encode"}' in text


def test_predictions_never_take_every_thread(service, photo_uri):
    app = create_app(service)
    app_state: AppState = app.extensions["app_state"]
    while app_state.free_predictions.acquire(blocking=False):
        pass
    client = app.test_client()
    answer = client.post("/predict", json=predict_body(photo_uri))
    assert answer.status_code == 503
    assert answer.json["error"] == "overloaded"
    assert client.get("/health").status_code == 200


class TestPassword:
    @pytest.fixture
    def guarded(self, make_service):
        service = make_service(basic_auth_user="u", basic_auth_pass="päss")
        return create_app(service).test_client()

    @pytest.mark.parametrize(
        "path", ["/", "/health", "/ready", "/metrics", "/versions", "/nowhere"]
    )
    def test_everything_asks_for_it(self, guarded, path):
        refused = guarded.get(path)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Basic")
        assert guarded.get(path, headers=WRONG).status_code == 401
        assert guarded.get(path, headers=GIVEN).status_code in (200, 404)

    @pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Bearer x", "Basic dQ=="])
    def test_a_broken_header_is_401(self, guarded, header):
        assert guarded.get("/health", headers={"Authorization": header}).status_code == 401

    def test_webhooks_carry_none_and_are_taken(self, guarded):
        event = {"action": "START_TRAINING", "project": {"id": 1}}
        assert guarded.post("/webhook", json=event).status_code == 201
        assert guarded.post("/webhook", json=event, headers=WRONG).status_code == 401

    def test_webhooks_may_be_made_to_carry_it(self, make_service):
        client = create_app(
            make_service(basic_auth_user="u", basic_auth_pass="päss", webhook_auth="required")
        ).test_client()
        event = {"action": "START_TRAINING", "project": {"id": 1}}
        assert client.post("/webhook", json=event).status_code == 401
        assert client.post("/webhook", json=event, headers=GIVEN).status_code == 201


def test_two_projects_at_once_do_not_mix(service, photo_uri):
    """One client a thread, each with its own project and method, many times over."""
    app = create_app(service)
    wrong = []

    def ask(project: str, method: str) -> None:
        client = app.test_client()
        client.post("/setup", json={"project": project, "extra_params": {"method": method}})
        for _ in range(5):
            body = predict_body(photo_uri) | {"project": project}
            (result,) = json.loads(client.post("/predict", json=body).data)["results"]
            if f"/{method}/" not in result["model_version"]:
                wrong.append(result)

    threads = [
        threading.Thread(target=ask, args=(f"{n}.1", "clip" if n % 2 else "firstpass"))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
