"""What Label Studio 1.23.2 really sent, replayed byte for byte at the real running."""

import pytest

from tests.support.recorded import EVENT_NAMES, REQUEST_NAMES, recorded

PREDICTS = [name for name in REQUEST_NAMES if name.startswith("predict_")]


@pytest.mark.parametrize("name", REQUEST_NAMES)
def test_every_recorded_request_is_answered_in_json(running, name):
    answer = running.replay(name)
    assert answer.status_code in (200, 201)
    assert isinstance(answer.json(), dict)


@pytest.mark.parametrize("name", ["health", "health_basic_auth"])
def test_health_is_up(running, name):
    assert running.replay(name).json()["status"] == "UP"


def test_setup_with_an_object_of_extra_params_names_a_version(running):
    version = running.replay("setup_extra_params").json()["model_version"]
    assert isinstance(version, str)
    assert version


def test_versions_lists_texts(running):
    assert all(isinstance(v, str) for v in running.replay("versions").json()["versions"])


@pytest.mark.parametrize("name", PREDICTS)
def test_predict_answers_exactly_one_item_a_task(running, name):
    tasks = recorded(name)["body"]["tasks"]
    results = running.replay(name).json()["results"]
    assert len(results) == len(tasks)
    for item in results:
        assert isinstance(item["model_version"], str)
        assert item["model_version"]
        # The recorded images lie on a Label Studio that is gone: a failure must carry no "result".
        assert ("result" in item) != ("error" in item)


def test_an_emptied_context_is_answered_empty(running):
    (item,) = running.replay("predict_ui_context_empty_result").json()["results"]
    assert item["result"] == []


@pytest.mark.parametrize("name", EVENT_NAMES)
def test_no_event_fails(running, name):
    answer = running.replay(name)
    assert answer.status_code == (200 if name == "webhook_TASKS_CREATED" else 201)


def test_recorded_tasks_are_painted_when_their_image_is_there(running, photo_uri):
    """The same requests with an image that can be read: regions of the recorded config."""
    body = recorded("predict_batch2")["body"]
    for task in body["tasks"]:
        task["data"]["image"] = photo_uri
    # Random weights see in every pixel the one word that is loudest: let it be a label.
    setup = {"project": body["project"], "extra_params": {"auto_negatives": False}}
    assert running.ask("POST", "/setup", json=setup).status_code == 200
    results = running.ask("POST", "/predict", json=body).json()["results"]
    for item in results:
        assert 0 <= item["score"] <= 1
        for region in item["result"]:
            assert region["from_name"] == "tag"
            assert region["type"] == "brushlabels"
            assert region["value"]["brushlabels"][0] in ("a cat", "Dog")
            assert (region["original_width"], region["original_height"]) == (64, 48)
    assert any(item["result"] for item in results)


@pytest.mark.parametrize("name", ["predict_ui_keypoint_positive", "predict_ui_rectangle"])
def test_a_prompt_is_answered_with_regions_of_its_label_only(running, photo_uri, name):
    body = recorded(name)["body"]
    body["tasks"][0]["data"]["image"] = photo_uri
    (item,) = running.ask("POST", "/predict", json=body).json()["results"]
    for region in item["result"]:
        assert region["value"]["brushlabels"] == ["Dog"]
