"""From annotations, as Label Studio sends them, to masks that teach."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import RequestError
from backend.label_studio.controls import read_controls
from backend.label_studio.webhook_events import (
    is_handled,
    parse_time_us,
    project_key,
    read_annotations,
)
from backend.learning.annotation_masks import WEAK_WEIGHT, taught_masks
from backend.masks.regions import encode_regions
from tests.support.annotations import rectangle
from tests.support.recorded import recorded_body

HW = (48, 64)
CONFIG = """<View><Image name="image" value="$image"/>
<BrushLabels name="tag" toName="image"><Label value="Cat" alias="c"/><Label value="Dog"/>
</BrushLabels>
<RectangleLabels name="rect" toName="image" smart="true"><Label value="Dog"/></RectangleLabels>
</View>"""
(CONTROL,) = read_controls(CONFIG)


def event_of(name: str) -> dict[str, Any]:
    event: dict[str, Any] = recorded_body(f"webhook_{name}")
    return event


def square(top: int, left: int, size=10) -> np.ndarray:
    mask = np.zeros(HW, dtype=bool)
    mask[top : top + size, left : left + size] = True
    return mask


def region(label: int, mask: np.ndarray, **more) -> dict:
    spec = CONTROL.labels[label]
    (item,) = encode_regions(CONTROL, spec, mask, 0.5, region_id=f"r{label}")
    return item | more


def annotation(*result: dict, bulk=False, parent=None):
    one = {
        "id": 1, "result": list(result), "updated_at": "2026-11-22T16:48:49.236848Z",
        "parent_prediction": parent,
    }  # fmt: skip
    task = {"id": 5, "data": {"image": "x"}}
    event = {"annotation": [one] if bulk else one, "task": [task] if bulk else task}
    return read_annotations(event)[0]


def taught(*result: dict, predicted=None, **more):
    found = taught_masks(annotation(*result, **more), CONTROL, CONTROL.labels, 0, HW, predicted)
    return None if found is None else {one.label: one for one in found}


# --- what events show


def test_the_project_is_named_as_setup_and_predict_name_it():
    body = recorded_body("setup_extra_params")
    assert project_key(event_of("ANNOTATION_CREATED")["project"]) == body["project"]
    assert project_key({"id": 3}) == project_key({"id": 3, "created_at": "soon"}) == "3"


def test_recorded_annotations_are_read_whole():
    (one,) = read_annotations(event_of("ui_submit_prediction_changed"))
    assert (one.id, one.task_id, len(one.result)) == ("7", "313", 3)
    assert one.from_prediction
    assert not one.was_cancelled
    assert not one.is_bulk
    (skipped,) = read_annotations(event_of("ANNOTATION_CREATED_skipped"))
    assert skipped.was_cancelled
    (bulk,) = read_annotations(event_of("ANNOTATIONS_CREATED_bulk"))
    assert bulk.is_bulk
    assert bulk.task_data == {"image": "s3://bucket/key.png"}


def test_bulk_annotations_find_their_own_tasks():
    event = event_of("ANNOTATIONS_CREATED_bulk")
    event["annotation"].append(event["annotation"][0] | {"id": 9, "task": 77})
    event["task"].append(event["task"][0] | {"id": 77, "data": {"image": "other"}})
    assert [one.task_data["image"] for one in read_annotations(event)] == [
        "s3://bucket/key.png",
        "other",
    ]
    event["annotation"][1]["task"] = 78
    with pytest.raises(RequestError, match="without its task"):
        read_annotations(event)


def test_times_are_exact_and_need_a_zone():
    assert parse_time_us("1970-01-01T00:00:01.000002Z") == 1_000_002
    assert parse_time_us("1970-01-01T01:00:00+01:00") == 0
    for bad in (None, 5, "", "2026", "2026-11-22T16:48:49"):
        with pytest.raises(ValueError, match=r".+"):
            parse_time_us(bad)


# --- masks


def test_masks_of_a_label_join_whether_named_by_alias_or_word():
    by_word = region(0, square(20, 20))
    by_word["value"]["brushlabels"] = ["Cat"]
    found = taught(region(0, square(0, 0)), by_word)
    assert list(found) == ["Cat"]
    assert (found["Cat"].mask == (square(0, 0) | square(20, 20))).all()
    assert found["Cat"].predicted is None
    assert found["Cat"].weight == 1


def test_a_rectangle_is_weak_and_silent_beside_a_drawn_mask():
    assert taught(rectangle("Dog", 50))["Dog"].weight == WEAK_WEIGHT
    assert taught(rectangle("Dog", 50))["Dog"].mask[:24, :32].all()
    found = taught(rectangle("Dog", 50), region(1, square(0, 0)))["Dog"]
    assert found.weight == 1
    assert found.mask.sum() == 100


def test_what_was_shown_is_compared_and_what_was_deleted_counts_as_wrong():
    predicted = {"Cat": square(0, 0), "Dog": square(30, 30)}
    found = taught(region(0, square(2, 2)), predicted=predicted, parent=3)
    assert (found["Cat"].predicted == predicted["Cat"]).all()
    assert not found["Dog"].mask.any()
    assert (found["Dog"].predicted == predicted["Dog"]).all()
    only_new = taught(region(0, square(2, 2)), predicted={}, parent=3)["Cat"]
    assert not only_new.predicted.any()


def test_what_was_shown_of_a_file_of_another_size_is_no_comparison():
    found = taught(region(0, square(2, 2)), predicted={"Cat": np.ones((9, 9), bool)}, parent=3)
    assert found["Cat"].predicted is None


def test_without_what_was_shown_untouched_regions_still_say_it():
    untouched, changed = (
        region(0, square(0, 0), origin="prediction"),
        region(1, square(20, 20), origin="prediction-changed"),
    )
    found = taught(untouched, changed)
    assert (found["Cat"].predicted == found["Cat"].mask).all()
    assert found["Dog"].predicted is None


def test_bulk_annotations_teach_weakly():
    assert taught(region(0, square(0, 0)), bulk=True)["Cat"].weight == WEAK_WEIGHT


def test_an_empty_annotation_says_none_of_them_and_other_work_says_nothing():
    choice = {"type": "choices", "to_name": "image", "value": {"choices": ["good"]}}
    assert taught() == {}
    assert taught(choice) is None
    assert taught(choice, parent=3) == {}  # all that was shown was deleted
    elsewhere = region(0, square(0, 0)) | {"to_name": "another"}
    assert taught(elsewhere) is None


def test_prompts_left_in_an_annotation_are_no_masks():
    point = {"x": 1, "y": 1, "width": 0.2, "keypointlabels": ["Dog"], "labels": ["Dog"]}
    item = {"type": "keypointlabels", "to_name": "image", "value": point}
    assert list(taught(item, region(0, square(0, 0)))) == ["Cat"]


def test_pages_are_told_apart():
    one = annotation(region(0, square(0, 0), item_index=1))
    assert taught_masks(one, CONTROL, CONTROL.labels, 0, HW) is None
    found = taught_masks(one, CONTROL, CONTROL.labels, 1, HW) or []
    assert [mask.label for mask in found] == ["Cat"]


def test_a_region_of_another_size_is_refused():
    with pytest.raises(RequestError, match="64 x 48 pixels, but the task's has 10 x 10"):
        taught_masks(annotation(region(0, square(0, 0))), CONTROL, CONTROL.labels, 0, (10, 10))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
VALUE_KEYS = ("rle", "imageDataURL", "points", "x", "y", "width", "height", "radiusX", "radiusY",
              "brushlabels", "rectanglelabels", "labels", "format")  # fmt: skip
ITEM = st.fixed_dictionaries(
    {"value": JSON | st.dictionaries(st.sampled_from(VALUE_KEYS), JSON | st.just(["Cat"]))},
    optional={
        "to_name": st.just("image") | JSON, "item_index": JSON, "origin": JSON, "type": JSON,
        "original_width": st.just(64) | JSON, "original_height": st.just(48) | JSON,
    },
)  # fmt: skip


@given(
    result=st.lists(ITEM, max_size=3) | JSON,
    other=st.dictionaries(st.sampled_from(["updated_at", "was_cancelled", "task", "id"]), JSON),
)
def test_whatever_an_event_holds_is_read_or_refused_in_words(result, other):
    event = event_of("ANNOTATION_CREATED")
    event["annotation"] |= {"result": result, **other}
    try:
        assert is_handled(event)
        for one in read_annotations(event):
            for mask in taught_masks(one, CONTROL, CONTROL.labels, 0, HW) or []:
                assert mask.mask.shape == HW
    except RequestError:
        pass
