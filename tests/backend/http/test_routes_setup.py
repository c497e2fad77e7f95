"""/setup and /versions: a project's settings in, its model version out."""

import base64
import json
import threading

import pytest

from backend.http.app import create_app
from tests.support.label_configs import CAT_ALIAS_DOG_CONFIG, CAT_DOG, IMAGE, brush_labels, config
from tests.support.logs import warnings_of
from tests.support.request_bodies import predict_body


@pytest.mark.parametrize(
    "params", [None, {}, "", '{"method": "clip"}', {"method": "clip"}, {"k": "v"}]
)
def test_setup_takes_extra_params_as_object_text_or_nothing(client, params):
    body = {
        "project": "7.1",
        "schema": CAT_ALIAS_DOG_CONFIG,
        "extra_params": params,
        "hostname": "http://ls",
    }
    answer = client.post("/setup", json=body)
    assert answer.status_code == 200
    assert answer.json["model_version"]


@pytest.mark.parametrize("depth", [900, 100_000])
def test_setup_says_of_nested_nonsense_that_it_is_none_of_its_params(client, depth):
    nested = "[" * depth + "]" * depth
    token = "e30." + base64.urlsafe_b64encode(nested.encode()).decode() + ".c2ln"
    answer = client.post("/setup", json={"project": "7.1", "extra_params": nested})
    assert answer.status_code == 400
    assert answer.json["error"] == "settings"
    assert client.post("/setup", json={"access_token": token}).status_code == 200


def test_setup_names_keys_that_it_ignores(client):
    answer = client.post("/setup", json={"project": "7.1", "extra_params": {"k": "v"}})
    assert "'k' is not known" in answer.json["warnings"][0]


def test_setup_names_labels_that_are_not_in_english(client, caplog):
    body = {"project": "7.1", "schema": config(IMAGE, brush_labels('<Label value="猫"/>'))}
    (warning,) = client.post("/setup", json=body).json["warnings"]
    assert "hardly understands 猫. Give each such label an English hint" in warning
    assert any(warning in line for line in warnings_of(caplog))
    with_word = body | {"extra_params": {"synonyms": {"猫": ["cat"]}}}
    assert client.post("/setup", json=with_word).json["warnings"] == []


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


@pytest.mark.parametrize(
    "tags",
    [
        '<RectangleLabels name="r" toName="image"/>',
        '<Choices name="c" toName="image"><Choice value="Cat"/></Choices>',
        f'<EllipseLabels name="e" toName="image" model_skip="true">{CAT_DOG}</EllipseLabels>',
        '<VectorLabels name="v" toName="image"><Label value="Cat"/></VectorLabels>',
        f'<KeyPointLabels name="k" toName="image" smart="true">{CAT_DOG}</KeyPointLabels>',
        '<Brush name="b" toName="image"/>',
        f'<Labels name="l" toName="image">{CAT_DOG}</Labels><Polygon name="p" toName="image"/>',
        f'<Labels name="l" toName="image">{CAT_DOG}</Labels><Rectangle name="p" toName="image"/>',
        "",
    ],
)
def test_a_config_that_is_never_predicted_is_refused_where_label_studio_shows_it(client, tags):
    answer = client.post("/setup", json={"project": "7.1", "schema": config(IMAGE, tags)})
    assert answer.status_code == 400
    assert answer.json["error"] == "label_config"
    assert "Add a BrushLabels, BitmaskLabels or PolygonLabels, or a Labels with a" in answer.status
    assert "on an Image. It has: " in answer.status
    assert answer.status.endswith(".")  # the example below it is for those who read the body
    assert not set("<>") & set(answer.status)  # the dialog takes them for HTML
    assert "<BrushLabels" in answer.json["message"]


def test_an_attribute_for_models_with_a_wrong_value_is_refused(client):
    schema = config(IMAGE, brush_labels(attributes='model_score_threshold="high"'))
    answer = client.post("/setup", json={"project": "7.1", "schema": schema})
    assert answer.status_code == 400
    assert 'model_score_threshold="high" of [BrushLabels name="tag"] must be' in answer.status


@pytest.mark.parametrize(
    ("body", "code", "sentence"),
    [
        ({"schema": "<View", "project": "8.1"}, "label_config", "is not valid XML"),
        ({"extra_params": {"method": "clap"}, "project": "8.2"}, "settings", "method cannot be"),
    ],
)
def test_ready_says_of_a_refused_setup_what_the_list_of_models_does_not(
    client, body, code, sentence
):
    client.post("/setup", json=body)
    failures = client.get("/ready").json["failures"]
    (row,) = [one for one in failures if one["project"] == body["project"]]
    assert (row["during"], row["code"]) == ("setup", code)
    assert sentence in row["message"]


@pytest.mark.parametrize("schema", ["<View/>", "<View></View>", " <View>\n</View>", "", None])
def test_the_empty_config_of_a_new_project_is_no_error(client, schema):
    assert client.post("/setup", json={"project": "7.1", "schema": schema}).status_code == 200


def test_a_control_that_is_left_out_beside_others_is_named(client):
    tags = IMAGE, brush_labels(), brush_labels(name="typo", to_name="imgae")
    left_to_people = brush_labels(name="people", attributes='model_skip="true"')
    boxes = f'<RectangleLabels name="r" toName="image">{CAT_DOG}</RectangleLabels>'
    schema = config(*tags, left_to_people, boxes)
    answer = client.post("/setup", json={"project": "7.1", "schema": schema})
    (warning,) = answer.json["warnings"]
    assert '<BrushLabels name="typo"> for "imgae" is not on an Image.' in warning


def test_a_config_is_refused_when_it_is_edited_and_taken_when_it_is_mended(client):
    """Label Studio posts /setup again before the next prediction."""
    only_boxes = config(IMAGE, '<RectangleLabels name="r" toName="image"/>')
    schemas = [CAT_ALIAS_DOG_CONFIG, only_boxes, "<View", CAT_ALIAS_DOG_CONFIG]
    answers = [client.post("/setup", json={"project": "7.1", "schema": one}) for one in schemas]
    assert [answer.status_code for answer in answers] == [200, 400, 400, 200]


def test_setup_answers_503_while_the_model_loads(loading, monkeypatch):
    monkeypatch.setattr("backend.http.routes.SETUP_TIMEOUT_S", 0.01)
    answer = loading.post("/setup", json={"project": "1.1"})
    assert answer.status_code == 503
    assert "still loading" in answer.status


def test_versions_by_get_and_post(client):
    by_get, by_post = client.get("/versions"), client.post("/versions")
    assert by_get.json == by_post.json
    assert all(isinstance(version, str) and version for version in by_get.json["versions"])


def test_setup_and_ready_say_when_a_version_is_not_kept(client):
    body = {
        "project": "77.1",
        "schema": CAT_ALIAS_DOG_CONFIG,
        "extra_params": {"memory_version": 4},
    }
    (sentence,) = client.post("/setup", json=body).json["warnings"]
    assert "memory_version 4 is not kept (kept: none)" in sentence


@pytest.mark.parametrize("wrong", [True, "latest", "m3", -1, [3], "3-", "9" * 20])
def test_a_version_that_is_none_is_refused(client, wrong):
    body = {
        "project": "77.1",
        "schema": CAT_ALIAS_DOG_CONFIG,
        "extra_params": {"memory_version": wrong},
    }
    answer = client.post("/setup", json=body)
    assert answer.status_code == 400
    assert "memory_version cannot be" in answer.json["message"]


def test_versions_can_be_asked_for_one_project(client):
    answer = client.post("/versions", json={"project": "78.1"})
    assert len(answer.json["versions"]) == 1


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
