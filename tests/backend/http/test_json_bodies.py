"""Every answer is JSON, every failure without a traceback."""

import pytest

from backend.http.app import create_app

CONFIG = """<View><Image name="image" value="$image"/><PolygonLabels name="tag" toName="image">
<Label value="Cat"/><Label value="Dog"/></PolygonLabels></View>"""


def test_unknown_paths_and_methods_are_json_too(client):
    lost, wrong = client.get("/nowhere"), client.get("/predict")
    assert (lost.status_code, wrong.status_code) == (404, 405)
    assert lost.json["error"] == wrong.json["error"] == "http"
    assert "POST" in wrong.headers["Allow"]


def test_a_body_over_the_limit_is_413(make_client):
    client = make_client(max_body_mb=1)
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


def test_points_of_polygons_are_pairs_of_numbers(client, photo_uri):
    shows_all = {"project": "88.1", "schema": CONFIG, "extra_params": {"min_score": 0}}
    assert client.post("/setup", json=shows_all).status_code == 200
    tasks = [{"id": 1, "data": {"image": photo_uri}}]
    body = {"tasks": tasks, "label_config": CONFIG, "project": "88.1"}
    (prediction,) = client.post("/predict", json=body).json["results"]
    points = [point for region in prediction["result"] for point in region["value"]["points"]]
    assert points
    assert all(len(point) == 2 and 0 <= min(point) <= max(point) <= 100 for point in points)


@pytest.mark.parametrize("path", ["/webhook", "/predict", "/versions", "/setup"])
@pytest.mark.parametrize("depth", [254, 300, 1000, 100_000])
def test_a_body_nested_without_end_is_400_and_says_so(client, path, depth):
    nested = "[" * depth + "]" * depth
    body = f'{{"action": "START_TRAINING", "project": {{"id": 1}}, "tasks": [], "x": {nested}}}'
    answer = client.post(path, data=body, content_type="application/json")
    assert answer.status_code == 400
    assert "nested" in answer.status or "depth" in answer.status


def test_an_event_nested_as_deeply_as_is_allowed_is_taken(client):
    body = {"action": "START_TRAINING", "project": {"id": 1}}
    nested = "[" * 250 + "]" * 250
    text = f'{{"x": {nested}, "action": "{body["action"]}", "project": {{"id": 1}}}}'
    answer = client.post("/webhook", data=text, content_type="application/json")
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"],
)
@pytest.mark.parametrize("path", ["/setup", "/predict", "/webhook", "/versions"])
def test_what_is_not_sent_as_json_is_415_and_says_how(client, path, content_type):
    answer = client.post(path, data=b'{"project": "1.1"}', content_type=content_type)
    assert answer.status_code == 415
    assert "Content-Type: application/json" in answer.status


def test_json_may_name_its_charset(client):
    kind = "application/json; charset=utf-8"
    answer = client.post("/setup", data=b'{"project": "1.1"}', content_type=kind)
    assert answer.status_code == 200
