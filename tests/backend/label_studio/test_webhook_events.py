"""Webhook events: which of them are worked off, and which are refused."""

from typing import Any

import pytest

from backend.errors import RequestError
from backend.label_studio.webhook_events import (
    Annotation,
    is_handled,
    parse_time_us,
    project_key,
    raw_annotations,
    read_annotation,
)
from tests.support.recorded import EVENT_NAMES, recorded_body


def event_of(name: str) -> dict[str, Any]:
    event: dict[str, Any] = recorded_body(f"webhook_{name}")
    return event


def annotations_of(event: dict[str, Any]) -> list[Annotation]:
    return [read_annotation(raw, event) for raw in raw_annotations(event)]


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


def test_the_project_is_named_as_setup_and_predict_name_it():
    body = recorded_body("setup_extra_params")
    assert project_key(event_of("ANNOTATION_CREATED")["project"]) == body["project"]
    assert project_key({"id": 3}) == project_key({"id": 3, "created_at": "soon"}) == "3"


def test_recorded_annotations_are_read_whole():
    (one,) = annotations_of(event_of("ui_submit_prediction_changed"))
    assert (one.id, one.task_id, len(one.result)) == ("7", "313", 3)
    assert one.from_prediction
    assert not one.was_cancelled
    assert not one.is_bulk
    (skipped,) = annotations_of(event_of("ANNOTATION_CREATED_skipped"))
    assert skipped.was_cancelled
    (bulk,) = annotations_of(event_of("ANNOTATIONS_CREATED_bulk"))
    assert bulk.is_bulk
    assert bulk.task_data == {"image": "s3://bucket/key.png"}


def test_bulk_annotations_find_their_own_tasks():
    event = event_of("ANNOTATIONS_CREATED_bulk")
    event["annotation"].append(event["annotation"][0] | {"id": 9, "task": 77})
    event["task"].append(event["task"][0] | {"id": 77, "data": {"image": "other"}})
    assert [one.task_data["image"] for one in annotations_of(event)] == [
        "s3://bucket/key.png",
        "other",
    ]
    event["annotation"][1]["task"] = 78
    with pytest.raises(RequestError, match="without its task"):
        annotations_of(event)


def test_times_are_exact_and_need_a_zone():
    assert parse_time_us("1970-01-01T00:00:01.000002Z") == 1_000_002
    assert parse_time_us("1970-01-01T01:00:00+01:00") == 0
    for bad in (None, 5, "", "2026", "2026-11-22T16:48:49"):
        with pytest.raises(ValueError, match=r".+"):
            parse_time_us(bad)


def test_items_of_a_result_that_are_no_objects_are_skipped_and_counted(caplog):
    event = event_of("ANNOTATION_CREATED")
    whole = event["annotation"]["result"]
    event["annotation"]["result"] = [None, *whole, 3]
    (one,) = annotations_of(event)
    assert list(one.result) == whole
    assert "2 items are no objects" in caplog.text
