"""/openapi.json describes every route; recorded requests and real answers fit it."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from flask.testing import FlaskClient

from backend.errors import RequestError
from backend.http.app import create_app
from backend.http.operations import OPERATIONS
from backend.label_studio.webhook_events import REQUIRED_KEYS, is_handled
from tests.support.open_api import closed, document_of
from tests.support.recorded import REQUEST_NAMES, recorded

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "backend/http/examples").glob("*.json"))
PASSWORD = {"basic_auth_user": "ls", "basic_auth_pass": "secret"}
IDS: tuple[Any, ...] = (5, "5", 5.5, None, True, [], {})


@pytest.fixture
def document(client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json
    return found


def operations_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The operations by method and route, as "GET /page/photo/<name>"."""
    return {
        f"{method.upper()} {path}".replace("{", "<").replace("}", ">"): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def body_validator(document: dict[str, Any], name: str) -> jsonschema_rs.Validator:
    """Of the JSON body that an operation takes."""
    body = operations_of(document)[name]["requestBody"]["content"]["application/json"]["schema"]
    return jsonschema_rs.Draft202012Validator({**body, "components": document["components"]})


def test_it_is_a_valid_document(client, make_client):
    for asked in (client, make_client(**PASSWORD, webhook_auth="optional")):
        schemathesis.openapi.from_dict(document_of(asked.application)).validate()


def test_it_has_every_route_and_no_other(client, document):
    routes = {
        f"{method} {rule.rule}"
        for rule in client.application.url_map.iter_rules()
        if not rule.endpoint.endswith("static")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert set(operations_of(document)) == routes == set(OPERATIONS)


def test_every_operation_says_what_it_does_under_a_name_of_its_own(document):
    operations = operations_of(document).values()
    assert all(operation["summary"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(OPERATIONS)


def test_switched_off_the_page_is_not_in_it(make_client):
    off = make_client(playground="off").get("/openapi.json").json
    assert not [path for path in off["paths"] if path.startswith("/page")]
    assert list(off["paths"]["/"]["get"]["responses"]["200"]["content"]) == ["application/json"]


@pytest.mark.parametrize(
    ("changes", "predict", "webhook"),
    [
        ({}, None, None),
        (PASSWORD, [{"password": []}], [{"password": []}, {"webhook_secret": []}]),
        (
            {**PASSWORD, "webhook_auth": "optional"},
            [{"password": []}],
            [{"password": []}, {"webhook_secret": []}, {}],
        ),
    ],
    ids=["open", "password", "optional"],
)
def test_it_says_which_password_is_wanted_where(make_client, changes, predict, webhook):
    found = operations_of(document_of(make_client(**changes).application))
    assert found["POST /predict"].get("security") == predict
    assert found["POST /webhook"].get("security") == webhook
    assert ("401" in found["POST /predict"]["responses"]) == bool(changes)


def test_with_a_password_it_is_not_open(make_client):
    client = make_client(**PASSWORD)
    assert client.get("/openapi.json").status_code == 401
    assert client.get("/openapi.json", auth=("ls", "secret")).status_code == 200


@pytest.mark.parametrize("name", [one for one in REQUEST_NAMES if recorded(one)["body"]])
def test_what_label_studio_really_sent_fits_it(document, name):
    request = recorded(name)
    body_validator(document, f"{request['method']} {request['path']}").validate(request["body"])


def test_every_example_is_in_it_and_is_answered_without_an_error(client, document):
    found = {
        name: (route, example["value"])
        for route, operation in operations_of(document).items()
        for content in operation.get("requestBody", {"content": {}})["content"].values()
        for name, example in content.get("examples", {}).items()
    }
    assert set(found) == {path.stem for path in EXAMPLES}
    for name, (route, body) in found.items():
        assert body == json.loads((ROOT / f"backend/http/examples/{name}.json").read_text())
        body_validator(document, route).validate(body)
        assert client.post(route.split()[1], json=body).status_code in (200, 201)


@pytest.mark.parametrize("action", [*REQUIRED_KEYS, "TASKS_CREATED"])
def test_the_models_of_events_take_what_the_webhook_takes(document, action):
    validator = body_validator(document, "POST /webhook")
    keys = ("project", *REQUIRED_KEYS.get(action, ()))
    whole = {"action": action, **{key: {"id": 1} for key in keys}}
    events = [whole]
    for key in keys:
        events.append({name: value for name, value in whole.items() if name != key})
        events += [{**whole, key: {"id": odd}} for odd in IDS]
        events += [{**whole, key: [{"id": 1}, {"id": odd}]} for odd in IDS if key != "project"]
    for event in events:
        try:
            is_handled(event)
        except RequestError:
            assert not validator.is_valid(event), event
        else:
            assert validator.is_valid(event), event


KINDS = {
    "brush": '<BrushLabels name="tag" toName="image">{}</BrushLabels>',
    "wand": '<Labels name="tag" toName="image">{}</Labels><MagicWand name="w" toName="image"/>',
    "bitmask": '<BitmaskLabels name="tag" toName="image">{}</BitmaskLabels>',
    "polygon": '<PolygonLabels name="tag" toName="image">{}</PolygonLabels>',
    "rectangle": '<RectangleLabels name="tag" toName="image">{}</RectangleLabels>',
    "ellipse": '<EllipseLabels name="tag" toName="image">{}</EllipseLabels>',
}


@pytest.mark.parametrize("kind", KINDS)
def test_regions_of_every_kind_of_control_fit_it(client, document, photo_uri, kind):
    labels = '<Label value="Cat"/><Label value="Dog"/>'
    config = f'<View><Image name="image" valueList="$pages"/>{KINDS[kind].format(labels)}</View>'
    project = f"{kind}.1"
    setup = {"project": project, "schema": config, "extra_params": {"min_score": 0}}
    assert client.post("/setup", json=setup).status_code == 200
    pages = [photo_uri, "data:,broken"]  # the second fails: an answer in part
    body = {"tasks": [{"id": 1, "data": {"pages": pages}}, {}], "label_config": config}
    answer = client.post("/predict", json={**body, "project": project})
    whole, failed = answer.json["results"]
    assert whole["result"]
    assert {"error", "result"} <= whole.keys()
    assert "result" not in failed
    check_answer(client, "POST /predict", answer)


def check_answer(client: FlaskClient, name: str, answer: Any) -> None:
    check_body(client, name, answer.status_code, answer.json)


def check_body(client: FlaskClient, name: str, status: int, body: Any) -> None:
    """Fail unless the body fits the closed document, which names all of its fields."""
    document = closed(document_of(client.application))
    content = operations_of(document)[name]["responses"][str(status)]["content"]
    schema = {**content["application/json"]["schema"], "components": document["components"]}
    jsonschema_rs.Draft202012Validator(schema).validate(body)


def test_the_states_of_a_service_fit_it(client, loading, make_service):
    check_answer(client, "GET /ready", client.get("/ready"))
    check_answer(loading, "GET /ready", loading.get("/ready"))
    check_answer(loading, "GET /page/status", loading.get("/page/status"))
    failed = make_service(is_loaded=False)
    failed.model_loaded.set_exception(ValueError("no such weights"))
    broken = create_app(failed).test_client()
    answer: Any = broken.get("/ready")
    assert answer.json["message"] == "no such weights"
    check_answer(broken, "GET /ready", answer)


def test_a_field_that_it_does_not_name_is_found(client):
    body = client.get("/health").json
    check_body(client, "GET /health", 200, body)
    with pytest.raises(jsonschema_rs.ValidationError, match="new"):
        check_body(client, "GET /health", 200, body | {"new": 1})
