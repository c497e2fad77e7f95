"""/webhook: known events are queued, unknown ones ignored, invalid ones refused."""

import pytest


def test_an_unknown_event_is_accepted_and_ignored(client):
    answer = client.post("/webhook", json={"action": "LABEL_LINK_CREATED", "project": {"id": 1}})
    assert answer.status_code == 200
    assert answer.json == {"status": "ignored"}


def test_an_event_is_queued_and_answered_201(client):
    answer = client.post("/webhook", json={"action": "START_TRAINING", "project": {"id": 1}})
    assert (answer.status_code, answer.json) == (201, {"status": "queued"})


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"action": "ANNOTATION_CREATED"}'])
def test_a_malformed_event_is_400(client, body):
    answer = client.post("/webhook", data=body, content_type="application/json")
    assert answer.status_code == 400
