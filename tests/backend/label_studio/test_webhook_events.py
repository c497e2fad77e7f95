"""Webhook events: which of them are worked off, and which are refused."""

import pytest

from backend.errors import RequestError
from backend.label_studio.webhook_events import is_handled
from tests.support.recorded import EVENT_NAMES, recorded_body


@pytest.mark.parametrize("name", EVENT_NAMES)
def test_every_recorded_event_is_taken(name):
    event = recorded_body(name)
    assert is_handled(event) == (event["action"] != "TASKS_CREATED")


@pytest.mark.parametrize(
    "action", ["LABEL_LINK_CREATED", "ANNOTATION_DELETED", "", "SOMETHING_NEW"]
)
def test_an_event_we_do_not_know_is_no_error(action):
    assert not is_handled({"action": action})


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({}, '"action"'),
        ({"action": 7}, '"action"'),
        ({"action": "START_TRAINING"}, '"project"'),
        ({"action": "START_TRAINING", "project": 1}, '"project"'),
        ({"action": "START_TRAINING", "project": {}}, '"project"'),
        ({"action": "ANNOTATION_CREATED", "project": {"id": 1}}, '"annotation"'),
        ({"action": "ANNOTATION_CREATED", "project": {"id": 1}, "annotation": {"id": 1}}, '"task"'),
        (
            {"action": "ANNOTATIONS_DELETED", "project": {"id": 1}, "annotations": [3]},
            '"annotations"',
        ),
    ],
)
def test_an_event_that_lacks_its_parts_is_refused_by_name(event, said):
    with pytest.raises(RequestError, match=said):
        is_handled(event)
