"""Result items: the forms of each control, checked by Label Studio's SDK, there and back."""

import base64
import contextlib
import io
import json
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from label_studio_sdk.converter import brush
from label_studio_sdk.label_interface import LabelInterface
from PIL import Image

from backend.errors import RequestError
from backend.label_studio.controls import Control, LabelSpec, read_controls
from backend.masks.bitmask_png import decode_bitmask, encode_bitmask
from backend.masks.regions import ENCODERS, decode_region, encode_regions

RECORDED = Path(__file__).parents[2] / "fixtures" / "label_studio_1.23"
HW = (60, 80)

TAGS = {
    "brushlabels": "<BrushLabels name='tag' toName='image'>{}</BrushLabels>",
    "labels+brush": "<Labels name='tag' toName='image'>{}</Labels><Brush name='b' toName='image'/>",
    "magic wand": (
        "<Labels name='tag' toName='image'>{}</Labels><MagicWand name='b' toName='image'/>"
    ),
    "bitmasklabels": "<BitmaskLabels name='tag' toName='image'>{}</BitmaskLabels>",
    "polygonlabels": "<PolygonLabels name='tag' toName='image'>{}</PolygonLabels>",
}
LABEL = LabelSpec(name="c1", value="Cat")


def config(tag: str) -> str:
    labels = '<Label value="Cat" alias="c1"/><Label value="Dog"/>'
    return f'<View><Image name="image" value="$image"/>{TAGS[tag].format(labels)}</View>'


def control_of(tag: str) -> Control:
    return read_controls(config(tag))[0]


def two_squares() -> np.ndarray:
    mask = np.zeros(HW, np.bool_)
    mask[5:40, 10:50] = mask[45:57, 60:75] = True
    mask[15:25, 20:30] = False  # a hole
    return mask


def encoded(tag: str, mask: np.ndarray, score: float = 0.5, **named: int) -> list[dict]:
    return encode_regions(control_of(tag), LABEL, mask, score, region_id="r1", **named)


def item(value: dict, **fields: object) -> dict:
    return {"type": "t", "original_width": 80, "original_height": 60, "value": value, **fields}


# Masks to items.


def sdk_errors(tag: str, items: list[dict]) -> list[str]:
    sent = orjson.loads(orjson.dumps(items, option=orjson.OPT_SERIALIZE_NUMPY))
    return LabelInterface(config(tag)).validate_prediction({"result": sent}, return_errors=True)


@pytest.mark.parametrize("tag", [tag for tag in TAGS if tag != "magic wand"])
def test_the_sdk_accepts_the_items_of_each_control(tag):
    assert sdk_errors(tag, encoded(tag, two_squares())) == []


def test_the_sdk_accepts_the_stroke_of_a_magic_wand():
    # Not the labels beside it, which SDK 2.1 knows for a Brush but forgot for a MagicWand.
    stroke, _ = encoded("magic wand", two_squares())
    assert sdk_errors("magic wand", [stroke]) == []


@pytest.mark.parametrize("tag", TAGS)
def test_items_decode_to_the_mask_they_were_made_from(tag):
    masks = [decode_region(part) for part in encoded(tag, two_squares())]
    np.testing.assert_array_equal(np.logical_or.reduce(masks), two_squares())


@pytest.mark.parametrize("tag", TAGS)
def test_every_item_says_whose_it_is_and_how_large_the_image(tag):
    for part in encoded(tag, two_squares()):
        assert part["to_name"] == "image"
        assert (part["original_width"], part["original_height"]) == (80, 60)
        assert (part["image_rotation"], part["score"]) == (0, 0.5)
        assert "item_index" not in part
        assert "origin" not in part  # Label Studio writes it


def test_brush_labels_are_one_opaque_rle_with_the_alias():
    (part,) = encoded("brushlabels", two_squares())
    assert (part["id"], part["from_name"], part["type"]) == ("r1", "tag", "brushlabels")
    assert part["value"].keys() == {"format", "rle", "brushlabels"}
    assert (part["value"]["format"], part["value"]["brushlabels"]) == ("rle", ["c1"])
    alpha = brush.decode_rle(part["value"]["rle"]).reshape(*HW, 4)[:, :, 3]
    np.testing.assert_array_equal(alpha, two_squares() * 255)


@pytest.mark.parametrize(("tag", "tool"), [("labels+brush", "brush"), ("magic wand", "magicwand")])
def test_labels_with_a_brush_are_two_items_with_one_id(tag, tool):
    stroke, labels = encoded(tag, two_squares())
    assert stroke["id"] == labels["id"] == "r1"
    assert (stroke["from_name"], stroke["type"]) == ("b", tool)
    assert (labels["from_name"], labels["type"]) == ("tag", "labels")
    assert labels["value"] == {**stroke["value"], "labels": ["c1"]}


def test_bitmask_labels_are_a_png_whose_alpha_is_the_mask():
    (part,) = encoded("bitmasklabels", two_squares())
    assert part["value"]["bitmasklabels"] == ["c1"]
    png = base64.b64decode(part["value"]["imageDataURL"].removeprefix("data:image/png;base64,"))
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        assert (image.format, image.size, image.mode) == ("PNG", (80, 60), "P")
        alpha = np.asarray(image.convert("RGBA"))[:, :, 3]
    np.testing.assert_array_equal(alpha, two_squares() * 255)


def test_polygon_labels_are_one_closed_polygon_a_part_in_percent():
    large, small = encoded("polygonlabels", two_squares())
    assert (large["id"], small["id"]) == ("r1", "r1-1")
    assert large["value"]["closed"] is True
    assert small["value"]["polygonlabels"] == ["c1"]
    assert sorted(small["value"]["points"].tolist()) == [
        [75, 75],
        [75, 95],
        [93.75, 75],
        [93.75, 95],
    ]


@pytest.mark.parametrize("tag", TAGS)
def test_pages_of_a_value_list_are_numbered(tag):
    assert {part["item_index"] for part in encoded(tag, two_squares(), item_index=0)} == {0}


@pytest.mark.parametrize("tag", TAGS)
def test_an_empty_mask_has_no_items(tag):
    assert encoded(tag, np.zeros(HW, np.bool_)) == []


@pytest.mark.parametrize(
    ("score", "shown"), [(-0.5, 0.0), (1.0000001, 1.0), (np.float32(0.123456), 0.1235)]
)
def test_scores_are_kept_between_0_and_1_and_short(score, shown):
    (part,) = encoded("brushlabels", two_squares(), score)
    assert part["score"] == shown
    assert type(part["score"]) is float


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="score of 'c1'"):
        encoded("brushlabels", two_squares(), float("nan"))


def test_every_kind_of_control_has_an_encoder():
    assert {control_of(tag).kind for tag in TAGS} == set(ENCODERS)


# Bitmasks.


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_bitmasks_come_back_whatever_their_width(mask):
    decoded = decode_bitmask(encode_bitmask(mask), height_px=mask.shape[0], width_px=mask.shape[1])
    np.testing.assert_array_equal(decoded, mask)


def png_url(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def test_soft_bitmasks_of_the_browser_are_cut_in_the_middle():
    alpha = np.arange(256, dtype=np.uint8).reshape(16, 16)
    rgba = np.dstack([np.full((16, 16, 3), 7, np.uint8), alpha])
    mask = decode_bitmask(png_url(Image.fromarray(rgba)), height_px=16, width_px=16)
    np.testing.assert_array_equal(mask, alpha > 127)


def test_a_bitmask_without_alpha_covers_all_as_in_label_studio():
    assert decode_bitmask(png_url(Image.new("L", (4, 3))), height_px=3, width_px=4).all()


GOOD_URL = encode_bitmask(np.eye(4, dtype=bool))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (None, "must be a URL"),
        ("https://host/mask.png", "must be a URL"),
        (GOOD_URL[:60], "cannot|not a PNG"),
        (GOOD_URL + "!", "not a PNG"),
        ("data:image/png;base64,", "not a PNG"),
        (GOOD_URL[:22] + base64.b64encode(b"GIF89a").decode(), "not a PNG"),
        (encode_bitmask(np.ones((3, 5), bool)), "5 x 3 pixels, but its image has 4 x 4"),
    ],
    ids=["none", "address", "cut off", "not base64", "empty", "gif", "other size"],
)
def test_what_is_no_bitmask_of_the_image_is_refused(url, message):
    with pytest.raises(RequestError, match=message):
        decode_bitmask(url, height_px=4, width_px=4)


def test_a_bitmask_of_another_size_is_refused_before_it_is_unpacked():
    bomb = encode_bitmask(np.zeros((5000, 5000), np.bool_))
    cut_off = bomb[: len(bomb) // 8 * 4 + 22]  # unpacking would fail
    with pytest.raises(RequestError, match="5000 x 5000 pixels"):
        decode_bitmask(cut_off, height_px=4, width_px=4)


# Items of people to masks.


def test_the_recorded_annotation_decodes_region_by_region():
    request = json.loads((RECORDED / "webhook_ui_submit_prediction_changed.json").read_text())
    masks = [decode_region(part) for part in request["body"]["annotation"]["result"]]
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
    labelled = item({**rectangle, "labels": ["Cat"]}, type="labels")
    np.testing.assert_array_equal(decode_region(labelled), decode_region(item(rectangle)))


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
