"""/predict: one item for each task, whatever is wrong with the others or the request."""

import pytest

from tests.support.request_bodies import predict_body


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
