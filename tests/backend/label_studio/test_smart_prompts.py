"""Clicks and boxes as Label Studio's page sends them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import RequestError
from backend.label_studio.smart_prompts import (
    PROMPT_READERS,
    index_of_label,
    prompts_of_control,
    read_prompts,
)
from model import BoxPrompt, PointPrompt
from tests.support.label_configs import brush_labels, only_control
from tests.support.recorded import recorded_body
from tests.support.request_bodies import box, click


def recorded_context(name: str):
    return recorded_body(name)["params"]["context"]


def prompts_in(context: dict) -> Any:
    prompts = read_prompts(context)
    assert prompts is not None
    return prompts


def prompts_of(*items: dict) -> Any:
    return prompts_in({"result": list(items)})


def test_a_recorded_click_is_read_where_it_was():
    (prompt,) = prompts_in(recorded_context("predict_ui_keypoint_positive"))
    assert (prompt.label, prompt.to_name, prompt.page) == ("Dog", "image", 0)
    assert isinstance(prompt.shape, PointPrompt)
    assert (prompt.shape.x, prompt.shape.y) == pytest.approx((0.6762, 0.5293), abs=1e-4)
    assert prompt.shape.is_positive


def test_an_old_click_without_its_sign_was_positive():
    prompts = prompts_in(recorded_context("predict_ui_keypoint_negative_plus_draft"))
    points = [prompt.shape for prompt in prompts if isinstance(prompt.shape, PointPrompt)]
    assert [point.is_positive for point in points] == [True, False]


def test_a_recorded_box_is_read_with_its_corners():
    (prompt,) = prompts_in(recorded_context("predict_ui_rectangle"))
    assert isinstance(prompt.shape, BoxPrompt)
    assert prompt.shape.box_xyxy == pytest.approx((0.42368, 0.16325, 0.53349, 0.57321), abs=1e-4)


def test_a_turned_box_is_read_as_the_upright_one_around_it():
    turned = box(50, 20, 20, 10)
    turned["value"]["rotation"] = 90  # about its left upper corner, clockwise
    turned |= {"original_width": 200, "original_height": 100}
    (prompt,) = prompts_of(turned)
    # 40 x 10 pixels at (100, 20), turned: 10 wide to the left, 40 high
    assert prompt.shape.box_xyxy == pytest.approx((0.45, 0.2, 0.5, 0.6))


def test_without_a_context_nobody_prompts():
    assert read_prompts(None) is None


@pytest.mark.parametrize("context", [{}, {"result": []}, {"result": None}])
def test_a_context_without_items_has_no_prompts(context):
    assert read_prompts(context) == ()


def test_a_context_of_other_kinds_alone_has_no_prompts_and_is_logged(caplog):
    assert prompts_of({"type": "brushlabels", "value": {}}, {"type": "textarea"}) == ()
    assert "A smart tool sent brushlabels, textarea, which is answered empty" in caplog.text


def test_prompts_of_a_labels_are_read_by_what_was_drawn():
    point, rectangle = click(20, 30), box(10, 20, 30, 40)
    for item, key in ((point, "keypointlabels"), (rectangle, "rectanglelabels")):
        item["value"]["labels"] = item["value"].pop(key)
        item["type"] = "labels"
    one, two = prompts_of(point, rectangle)
    assert isinstance(one.shape, PointPrompt)
    assert two.shape.box_xyxy == pytest.approx((0.1, 0.2, 0.4, 0.6))
    stroke = {"type": "labels", "value": {"format": "rle", "rle": [0], "labels": ["Cat"]}}
    ellipse = {"type": "labels", "value": {"x": 1, "y": 1, "radiusX": 2, "labels": ["Cat"]}}
    assert prompts_of(stroke, ellipse) == ()


def test_kinds_that_we_do_not_know_are_passed_over_beside_a_click(caplog):
    assert len(prompts_of({"type": "textarea"}, click(1, 1))) == 1
    assert caplog.text == ""


@pytest.mark.parametrize(
    "value",
    [None, {}, {"x": 1, "y": "z"}, {"x": 1, "y": 2}, {"x": 1, "y": 2, "keypointlabels": []}],
)
def test_a_click_without_its_place_or_label_is_told(value):
    with pytest.raises(RequestError, match="needs x, y and a label"):
        prompts_of({"type": "keypointlabels", "value": value})


@pytest.mark.parametrize(("x", "y"), [(100, 100), (0, 0), (-3, 104)])
def test_a_click_at_the_border_or_beyond_is_on_the_border(x, y):
    (prompt,) = prompts_of(click(x, y))
    assert 0 <= prompt.shape.x <= 1
    assert 0 <= prompt.shape.y <= 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
KEYS = ("x", "y", "width", "height", "rotation", "keypointlabels", "rectanglelabels", "labels")
VALUES = st.none() | JSON | st.dictionaries(st.sampled_from(KEYS), JSON)
ITEMS = st.fixed_dictionaries(
    {"type": st.sampled_from([*PROMPT_READERS, "brush"]), "value": VALUES},
    optional={
        "item_index": JSON, "is_positive": JSON, "original_width": JSON, "original_height": JSON
    },
)  # fmt: skip


@given(items=st.lists(ITEMS, max_size=3) | JSON)
def test_whatever_comes_is_read_or_refused_in_words(items):
    try:
        prompts = read_prompts({"result": items})
    except RequestError:
        return
    for prompt in prompts or ():
        shape = prompt.shape
        shares = shape.box_xyxy if isinstance(shape, BoxPrompt) else (shape.x, shape.y)
        assert all(0 <= share <= 1 for share in shares)


def test_more_prompts_than_a_person_makes_are_refused():
    with pytest.raises(RequestError, match="1000 are the most"):
        prompts_of(*[click(1, 1)] * 1001)


def test_prompts_belong_to_the_control_on_their_image_and_the_newest_label():
    control = only_control(brush_labels())
    prompts = prompts_of(
        click(1, 1), click(2, 2, label="Dog", to_name="other"), click(3, 3, label="Dog")
    )
    assert [prompt.id for prompt in prompts_of_control(control, 0, prompts)] == ["3,3"]
    assert prompts_of_control(control, 1, prompts) == ()
    assert prompts_of_control(control, 0, prompts_of(click(2, 2, to_name="other"))) == ()


def test_a_prompt_means_a_label_by_its_alias_or_its_word():
    control = only_control(brush_labels('<Label value="Cat" alias="c1"/><Label value="Dog"/>'))
    meant = [
        index_of_label(prompts_of(click(1, 1, label=label))[0], control.labels)
        for label in ("Dog", "c1", "Cat", "Fox")
    ]
    assert meant == [1, 0, 0, None]
