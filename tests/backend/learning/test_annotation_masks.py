"""From annotations, as Label Studio sends them, to masks that teach."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import RequestError
from backend.label_studio.controls import read_controls
from backend.label_studio.webhook_events import is_handled, raw_annotations, read_annotation
from backend.learning import annotation_masks
from backend.learning.annotation_masks import WEAK_WEIGHT, labeled_regions, taught_masks
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
    return read_annotation(raw_annotations(event)[0], event)


def regions_on(one, page=0, image_hw=HW):
    return labeled_regions(one, CONTROL, CONTROL.labels, page, image_hw)


def taught(*result: dict, predicted=None, **more):
    one = annotation(*result, **more)
    found = taught_masks(one, regions_on(one), predicted)
    return None if found is None else {one.label: one for one in found}


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
    assert taught_masks(one, regions_on(one, page=0)) is None
    found = taught_masks(one, regions_on(one, page=1)) or []
    assert [mask.label for mask in found] == ["Cat"]


# --- damaged regions


def polygon(points: object, label="Cat") -> dict:
    value = {"points": points, "closed": True, "polygonlabels": [label]}
    size = {"original_width": 64, "original_height": 48}
    return {"type": "polygonlabels", "to_name": "image", "id": "p", "value": value, **size}


DAMAGED = [
    polygon([]),
    polygon([[0, 0], [50, 50]]),
    polygon([[0, 0], [None, 50], [50, 50]]),
    polygon(None),
    polygon([[0, 0], [50, 0], [50, 50]]) | {"original_width": 65},
    polygon([[0, 0], [50, 0], [50, 50]]) | {"original_width": None},
    region(0, np.ones((9, 9), bool)),
]


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_damaged_region_costs_no_other_and_is_named(damaged):
    one = annotation(damaged, region(1, square(0, 0)), polygon([[0, 0], [50, 0], [50, 50]]))
    regions = regions_on(one)
    assert {mask.label for mask in taught_masks(one, regions) or []} == {"Cat", "Dog"}
    assert regions.damaged["Cat"].startswith(f"region {damaged['id']!r}: ")


def test_a_label_of_a_damaged_region_is_neither_deleted_nor_compared():
    predicted = {"Cat": square(0, 0), "Dog": square(30, 30)}
    only_damaged = taught(polygon([]), region(1, square(30, 30)), predicted=predicted, parent=3)
    assert only_damaged["Dog"].weight == 1
    assert only_damaged["Cat"].weight == 0  # what was predicted is no background either
    assert (only_damaged["Cat"].mask == predicted["Cat"]).all()
    beside = taught(polygon([]), region(0, square(0, 0)), predicted=predicted, parent=3)
    assert beside["Cat"].predicted is None
    assert not beside["Dog"].mask.any()


def test_damaged_regions_alone_say_nothing():
    assert taught(polygon([])) is None
    assert taught(polygon([]), predicted={"Dog": square(0, 0)}, parent=3) is None


def test_sizes_are_numbers_whether_whole_or_with_a_point():
    item = region(0, square(0, 0), original_width=64.0, original_height=48.0)
    assert taught(item)["Cat"].mask.sum() == 100


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


@given(result=st.lists(ITEM | JSON, max_size=4), at=st.integers(0, 4))
def test_no_garbage_costs_the_regions_beside_it(result, at):
    good = square(5, 7)
    event: dict[str, Any] = recorded_body("webhook_ANNOTATION_CREATED")
    event["annotation"]["result"] = [*result[:at], region(1, good), *result[at:]]
    one = read_annotation(event["annotation"], event)
    (dog,) = (mask for mask in taught_masks(one, regions_on(one)) or [] if mask.label == "Dog")
    assert dog.mask[good].all()


@given(
    result=st.lists(ITEM, max_size=3) | JSON,
    other=st.dictionaries(st.sampled_from(["updated_at", "was_cancelled", "task", "id"]), JSON),
)
def test_whatever_an_event_holds_is_read_or_refused_in_words(result, other):
    event: dict[str, Any] = recorded_body("webhook_ANNOTATION_CREATED")
    event["annotation"] |= {"result": result, **other}
    try:
        assert is_handled(event)
        for raw in raw_annotations(event):
            one = read_annotation(raw, event)
            for mask in taught_masks(one, regions_on(one)) or []:
                assert mask.mask.shape == HW
    except RequestError:
        pass


SHAPES = [
    {"points": [[0, 0], [100, 0], [50, 100]]},
    {"x": 0, "y": 0, "width": 100, "height": 100},
    {"x": 50, "y": 50, "radiusX": 50, "radiusY": 50},
    {"rle": [63, 255, 0, 0, 57, 27, 252, 127, 224]},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_region_of_another_image_is_refused_before_it_is_drawn(shape):
    item = region(1, square(0, 0)) | {"original_width": 16_000, "original_height": 16_000}
    item["value"] = {**shape, "brushlabels": ["Dog"]}
    tracemalloc.start()
    try:
        regions = regions_on(annotation(item))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "the task's has 64 x 48" in regions.damaged["Dog"]
    assert peak < 2**20  # drawn it would be 256 MB


def test_masks_of_an_image_take_no_more_than_their_share_of_memory(monkeypatch):
    monkeypatch.setattr(annotation_masks, "MAX_MASK_BYTES", HW[0] * HW[1])
    regions = regions_on(annotation(region(0, square(0, 0)), region(1, square(20, 20))))
    assert list(regions.drawn) == ["Cat"]
    assert "shrink such images" in regions.damaged["Dog"]
