"""Result items to masks: every geometry that people draw, and what covers nothing."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import RequestError
from backend.masks.regions import decode_region
from tests.support.recorded import recorded_body

HW = (60, 80)


def item(value: object, **fields: object) -> dict[str, object]:
    return {"type": "t", "original_width": 80, "original_height": 60, "value": value, **fields}


def test_the_recorded_annotation_decodes_region_by_region():
    event = recorded_body("webhook_ui_submit_prediction_changed")
    masks = [decode_region(part) for part in event["annotation"]["result"]]
    assert {mask.shape for mask in masks} == {(300, 400)}


def test_a_drawn_polygon_covers_the_pixels_whose_centres_it_has():
    triangle = item({"points": [[0, 0], [100, 0], [0, 100]], "closed": True})
    y, x = np.mgrid[:60, :80] + 0.5
    np.testing.assert_array_equal(decode_region(triangle), x / 80 + y / 60 < 1)


def test_a_rectangle_covers_its_pixels():
    mask = np.zeros(HW, np.bool_)
    mask[15:30, 8:40] = True
    rectangle = item({"x": 10, "y": 25, "width": 40, "height": 25, "rotation": 0})
    np.testing.assert_array_equal(decode_region(rectangle), mask)


def test_a_rectangle_turns_clockwise_about_its_upper_left_corner_in_pixels():
    mask = np.zeros(HW, np.bool_)
    mask[15:47, 25:40] = True  # 32 wide and 15 high before, from (40, 15) to the lower left after
    rectangle = item({"x": 50, "y": 25, "width": 40, "height": 25, "rotation": 90})
    np.testing.assert_array_equal(decode_region(rectangle), mask)


def test_a_rectangle_may_reach_over_the_edge_of_the_image():
    assert decode_region(item({"x": -50, "y": -50, "width": 300, "height": 300})).all()


@pytest.mark.parametrize("degrees", [0, 30, 180])
def test_an_ellipse_covers_its_pixels(degrees):
    ellipse = {"x": 50, "y": 50, "radiusX": 25, "radiusY": 20, "rotation": degrees}
    y, x = np.mgrid[:60, :80] + 0.5 - np.array([30, 40])[:, None, None]
    turn = np.deg2rad(degrees)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    distance = (along / 20) ** 2 + (across / 12) ** 2
    mask = decode_region(item(ellipse))
    assert mask[distance < 0.99].all()
    assert not mask[distance > 1.01].any()


def test_the_labels_item_beside_a_geometry_decodes_like_it():
    rectangle = {"x": 10, "y": 25, "width": 40, "height": 25}
    labeled = item({**rectangle, "labels": ["Cat"]}, type="labels")
    np.testing.assert_array_equal(decode_region(labeled), decode_region(item(rectangle)))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (None, "needs a value"),
        ({}, "needs a value"),
        (item([1]), "needs a value"),
        (item({"x": 1, "y": 1, "width": 1, "keypointlabels": ["Cat"]}), "covers no area"),
        (item({"choices": ["a"]}), "covers no area: its value has choices"),
        (item({"rle": [1, 2]}), "cut off"),
        (item({"rle": [0]}, original_width=None), "original_width"),
        (item({"rle": [0]}, original_height=-5), "original_width"),
        (item({"rle": [0]}, original_height=1.5), "original_width"),
        (item({"points": [[0, 0], [1, 1], [2, 0]]}, original_width=10**6,
              original_height=10**6), "too large"),
        (item({"points": [[0, 0], [1, 1]]}), "three or more points"),
        (item({"points": [[0, 0], [1], [1, 1]]}), "must be numbers"),
        (item({"points": [[0, 0], [1, "a"], [1, 1]]}), "must be numbers"),
        (item({"points": [[0, 0], [1, float("nan")], [1, 1]]}), "finite"),
        (item({"points": [[0, 0], [1, 1e300], [1, 1]]}), "finite"),
        (item({"points": [[0, -1e5], [1, 1e5]] * 60_000}), "cannot be filled"),
        (item({"x": None, "y": 1, "width": 1, "height": 1}), "finite|numbers"),
        (item({"x": 1, "y": 1, "width": [1], "height": 1}), "numbers"),
    ],
)  # fmt: skip
def test_items_that_cover_nothing_or_are_damaged_are_refused(broken, message):
    with pytest.raises(RequestError, match=message):
        decode_region(broken)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


VALUE_KEYS = ["rle", "imageDataURL", "points", "x", "y", "width", "height", "radiusX", "radiusY",
              "rotation", "format"]  # fmt: skip


sizes = st.integers(-1, 200) | st.none() | st.floats() | st.text(max_size=2)


@given(st.dictionaries(st.sampled_from(VALUE_KEYS), json_values), sizes)
def test_any_value_is_decoded_or_refused(value, width_px):
    with contextlib.suppress(RequestError):
        assert decode_region(item(value, original_width=width_px)).dtype == np.bool_
