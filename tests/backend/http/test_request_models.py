"""Fields of a wrong type are refused with a sentence, whatever they are; nothing is internal."""

import pytest

from tests.support.label_configs import CAT_ALIAS_DOG_CONFIG
from tests.support.request_bodies import predict_body

NO_NAME = [[], ["x"], {}, {"a": 1}, True]
NO_TEXT = [*NO_NAME, 5, 1.5]


def click(**fields: object) -> dict[str, object]:
    value = {"x": 1, "y": 1, "keypointlabels": ["Dog"]}
    return {"id": "a", "type": "keypointlabels", "to_name": "image", "value": value} | fields


@pytest.mark.parametrize("context", ["", 0, False, [], "a", 1, True, ["x"]])
def test_a_context_is_an_object_or_null(client, photo_uri, context):
    body = predict_body(photo_uri) | {"params": {"context": context}}
    answer = client.post("/predict", json=body)
    assert answer.status_code == 400
    assert '"context" of "params" of /predict must be an object or null' in answer.status


@pytest.mark.parametrize("params", ["", 0, False, [], "a", ["x"]])
def test_params_are_an_object_or_null(client, photo_uri, params):
    answer = client.post("/predict", json=predict_body(photo_uri) | {"params": params})
    assert answer.status_code == 400
    assert '"params" of /predict must be' in answer.status


@pytest.mark.parametrize("odd", NO_NAME)
def test_ids_and_projects_are_text_or_numbers(client, photo_uri, odd):
    task = {"id": odd, "data": {"image": photo_uri}}
    body = predict_body(photo_uri)
    clicks = {"context": {"result": [click(id=odd)]}}
    for path, sent in [
        ("/predict", body | {"project": odd}),
        ("/predict", body | {"tasks": [*body["tasks"], task]}),
        ("/predict", body | {"params": clicks}),
        ("/setup", {"project": odd, "schema": CAT_ALIAS_DOG_CONFIG}),
        ("/versions", {"project": odd}),
        ("/webhook", {"action": "START_TRAINING", "project": {"id": odd}}),
        ("/webhook", deletion(odd, "annotations")),
        ("/webhook", deletion(odd, "tasks")),
    ]:
        answer = client.post(path, json=sent)
        assert answer.status_code == 400, sent
        assert answer.json["error"] == "request"


def deletion(odd: object, of: str) -> dict[str, object]:
    return {"action": f"{of.upper()}_DELETED", "project": {"id": 1}, of: [{"id": odd}]}


@pytest.mark.parametrize("odd", NO_TEXT)
def test_logins_and_types_are_text_or_null(client, photo_uri, odd):
    body = predict_body(photo_uri)
    for params in [
        {"login": odd},
        {"login": "u", "password": odd},
        {"context": {"result": [click(type=odd)]}},
        {"context": {"result": [click(to_name=odd)]}},
    ]:
        answer = client.post("/predict", json=body | {"params": params})
        assert answer.status_code == 400, params
        assert "must be text or null, but is: " in answer.status
    for field in ("schema", "hostname", "access_token"):
        answer = client.post("/setup", json={"project": "1.1", field: odd})
        assert answer.status_code == 400, field
        assert f'"{field}" of /setup must be text or null' in answer.status


@pytest.mark.parametrize("items", ["x", 3, {"a": 1}, [3], [None], ["x"]])
def test_the_items_of_a_context_are_objects(client, photo_uri, items):
    body = predict_body(photo_uri) | {"params": {"context": {"result": items}}}
    answer = client.post("/predict", json=body)
    assert answer.status_code == 400
    assert '"result" of "context"' in answer.status
