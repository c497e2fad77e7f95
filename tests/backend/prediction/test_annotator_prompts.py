"""Clicks and boxes are answered with one region of their label."""

import pytest

from backend.errors import ImageNotFound
from backend.masks.brush_rle import decode_mask
from tests.support.annotations import EVERY_PIXEL
from tests.support.label_configs import CAT_DOG_CONFIG, IMAGE, brush_labels, config, labels
from tests.support.predictions import predict_one, with_pages
from tests.support.request_bodies import box, click


def ask(annotator, data, *prompts, label_config=CAT_DOG_CONFIG, settings=EVERY_PIXEL) -> list[dict]:
    context = {"result": list(prompts)}
    return predict_one(annotator, label_config, data, settings, context=context)["result"]


@pytest.mark.parametrize(
    "prompts",
    [
        [click(50, 40)],
        [click(50, 40), click(5, 95, is_positive=False)],
        [box(20, 10, 60, 70)],
        [box(20, 10, 60, 70), click(50, 40), click(5, 95, is_positive=False)],
    ],
    ids=["click", "clicks of both signs", "box", "mixed"],
)
def test_prompts_are_answered_with_one_region_of_their_label(annotator, photo_uri, prompts):
    (region,) = ask(annotator, {"image": photo_uri}, *prompts)
    assert region["from_name"] == "tag"
    assert region["value"]["brushlabels"] == ["Cat"]
    assert 0 <= region["score"] <= 1
    mask = decode_mask(region["value"]["rle"], height_px=48, width_px=64)
    if prompts[0]["type"] == "keypointlabels":
        assert mask[19, 32]
    assert not mask[45, 3] or len(prompts) == 1


def test_the_answer_keeps_its_id_from_click_to_click(annotator, photo_uri):
    whole = predict_one(annotator, CAT_DOG_CONFIG, {"image": photo_uri})["result"][0]
    (one,) = ask(annotator, {"image": photo_uri}, click(50, 40))
    (two,) = ask(annotator, {"image": photo_uri}, click(50, 40), click(60, 40))
    (other,) = ask(annotator, {"image": photo_uri}, click(60, 40))
    assert one["id"] == two["id"]
    assert len({one["id"], other["id"], whole["id"]}) == 3  # they may stand in one annotation


def test_a_click_on_what_was_just_predicted_loads_and_encodes_nothing(encodes, photo_uri):
    annotator, sizes = encodes
    predict_one(annotator, CAT_DOG_CONFIG, {"image": photo_uri})

    def gone(uri, **_):
        raise ImageNotFound(f"{uri} is gone")

    assert ask(with_pages(annotator, load_image=gone), {"image": photo_uri}, click(50, 40))
    assert sizes == [1]


def test_prompts_are_for_their_image_and_page_alone(annotator, photo_uri):
    label_config = config('<Image name="image" valueList="$pages"/>', brush_labels(labels("Cat")))
    prompt = click(50, 40, item_index=1)
    (region,) = ask(annotator, {"pages": [photo_uri] * 3}, prompt, label_config=label_config)
    assert region["item_index"] == 1
    elsewhere = click(50, 40) | {"to_name": "another"}
    assert ask(annotator, {"image": photo_uri}, elsewhere) == []


def test_a_prompt_for_a_label_that_no_control_paints_is_answered_empty(annotator, photo_uri):
    assert ask(annotator, {"image": photo_uri}, click(50, 40, label="Zebra")) == []


@pytest.mark.parametrize("kind", ["textarea", "brushlabels", "choices", None])
def test_a_context_of_nothing_that_is_understood_is_answered_empty(annotator, photo_uri, kind):
    prompt = {"type": kind, "to_name": "image", "value": {"text": ["a cat"]}}
    assert ask(annotator, {"image": photo_uri}, prompt) == []


@pytest.mark.parametrize("tag", ["BrushLabels", "BitmaskLabels", "PolygonLabels", "Labels"])
def test_prompts_are_answered_in_the_controls_own_kind(annotator, photo_uri, tag):
    stroke = '<Brush name="brush" toName="image"/>' if tag == "Labels" else ""
    label_config = config(
        IMAGE, f'<{tag} name="tag" toName="image"><Label value="Cat"/></{tag}>', stroke
    )
    regions = ask(annotator, {"image": photo_uri}, click(50, 40), label_config=label_config)
    assert {region["type"] for region in regions} <= {tag.lower(), "brush"}
    assert regions
