"""Clicks and boxes as Label Studio's page sends them."""

import json
from pathlib import Path

import numpy as np
import pytest

from backend.errors import RequestError
from backend.labels import read_controls
from backend.prompts import asked_of, keep_prompted, read_prompts

RECORDED = Path(__file__).parents[1] / "fixtures" / "label_studio_1.23"


def recorded_context(name: str):
    return json.loads((RECORDED / f"{name}.json").read_text())["body"]["params"]["context"]


def click(x: float, y: float, *, label="Dog", **more) -> dict:
    """A key point at percents of the image."""
    value = {"x": x, "y": y, "width": 0.2, "keypointlabels": [label]}
    return {"type": "keypointlabels", "to_name": "image", "id": f"{x},{y}", "value": value, **more}


def box(x: float, y: float, width: float, height: float, label="Dog") -> dict:
    value = {"x": x, "y": y, "width": width, "height": height, "rectanglelabels": [label]}
    return {"type": "rectanglelabels", "to_name": "image", "id": "box", "value": value}


def prompts_of(*items: dict):
    return read_prompts({"result": list(items)})


@pytest.fixture
def two_squares() -> np.ndarray:
    """(100, 200) bool: one square at the left, one at the right."""
    mask = np.zeros((100, 200), dtype=bool)
    mask[20:60, 20:60] = mask[20:60, 120:160] = True
    return mask


def test_a_recorded_click_is_read_where_it_was():
    (prompt,) = read_prompts(recorded_context("predict_ui_keypoint_positive"))
    assert prompt.is_click
    assert prompt.is_positive
    assert (prompt.label, prompt.to_name) == ("Dog", "image")
    assert prompt.box_xyxy[:2] == pytest.approx((0.6762, 0.5293), abs=1e-4)


def test_an_old_click_without_its_sign_was_positive():
    old, new = read_prompts(recorded_context("predict_ui_keypoint_negative_plus_draft"))
    assert (old.is_positive, new.is_positive) == (True, False)


def test_a_recorded_box_is_read_with_its_corners():
    (prompt,) = read_prompts(recorded_context("predict_ui_rectangle"))
    assert not prompt.is_click
    assert prompt.box_xyxy == pytest.approx((0.42368, 0.16325, 0.53349, 0.57321), abs=1e-4)


@pytest.mark.parametrize("context", [None, {}, {"result": []}, {"result": None}])
def test_no_context_has_no_prompts(context):
    assert read_prompts(context) == ()


def test_kinds_that_we_do_not_know_are_passed_over():
    assert prompts_of({"type": "brushlabels", "value": {}}, {"type": "textarea"}) == ()


@pytest.mark.parametrize(
    "value",
    [None, {}, {"x": 1, "y": "z"}, {"x": 1, "y": 2}, {"x": 1, "y": 2, "keypointlabels": []}],
)
def test_a_click_without_its_place_or_label_is_told(value):
    with pytest.raises(RequestError, match="needs x, y and a label"):
        prompts_of({"type": "keypointlabels", "value": value})


def test_a_click_keeps_what_it_is_connected_to(two_squares):
    kept = keep_prompted(two_squares, prompts_of(click(20, 40)))
    assert kept[:, :100].sum() == 1600
    assert kept[:, 100:].sum() == 0


def test_a_negative_click_takes_its_part_away(two_squares):
    positive, negative = click(20, 40), click(70, 40, is_positive=False)
    whole = box(0, 0, 100, 100)
    assert keep_prompted(two_squares, prompts_of(whole)).sum() == 3200
    assert keep_prompted(two_squares, prompts_of(negative, whole)).sum() == 1600
    assert keep_prompted(two_squares, prompts_of(positive, negative)).sum() == 1600


def test_a_box_keeps_what_lies_in_it(two_squares):
    kept = keep_prompted(two_squares, prompts_of(box(10, 20, 10, 20)))
    assert kept.sum() == (40 - 20 + 1) * (40 - 20 + 1)


@pytest.mark.parametrize(("x", "y"), [(100, 100), (0, 0), (-3, 104)])
def test_a_click_at_the_border_or_beyond_is_no_error(two_squares, x, y):
    assert keep_prompted(two_squares, prompts_of(click(x, y))).sum() == 0


def test_prompts_belong_to_the_control_on_their_image_and_the_newest_label():
    config = """<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image">
    <Label value="Cat"/><Label value="Dog"/></BrushLabels></View>"""
    (control,) = read_controls(config)
    prompts = prompts_of(click(1, 1, label="Cat"), click(2, 2, to_name="other"), click(3, 3))
    assert [prompt.id for prompt in asked_of(control, prompts)] == ["3,3"]
    assert asked_of(control, prompts_of(click(2, 2, to_name="other"))) == ()
