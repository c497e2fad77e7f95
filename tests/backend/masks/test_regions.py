"""Masks to result items: the forms of each control, checked by Label Studio's SDK."""

import base64
import io

import numpy as np
import orjson
import pytest
from label_studio_sdk.converter import brush
from label_studio_sdk.label_interface.interface import LabelInterface
from PIL import Image

from backend.label_studio.controls import Control, LabelSpec, read_controls
from backend.masks.regions import ENCODERS, decode_region, encode_regions

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

# Shapes around masks: what is in the mask is not what comes back.
SHAPES = {
    "rectanglelabels": "<RectangleLabels name='tag' toName='image'>{}</RectangleLabels>",
    "ellipselabels": "<EllipseLabels name='tag' toName='image'>{}</EllipseLabels>",
}
ALL_TAGS = TAGS | SHAPES

LABEL = LabelSpec(name="c1", value="Cat")


def config(tag: str) -> str:
    labels = '<Label value="Cat" alias="c1"/><Label value="Dog"/>'
    return f'<View><Image name="image" value="$image"/>{ALL_TAGS[tag].format(labels)}</View>'


def control_of(tag: str) -> Control:
    return read_controls(config(tag))[0]


def two_squares() -> np.ndarray:
    mask = np.zeros(HW, np.bool_)
    mask[5:40, 10:50] = mask[45:57, 60:75] = True
    mask[15:25, 20:30] = False  # a hole
    return mask


def encoded(tag: str, mask: np.ndarray, score: float = 0.5, **named: int) -> list[dict]:
    return encode_regions(control_of(tag), LABEL, mask, score, region_id="r1", **named)


def sdk_errors(tag: str, items: list[dict]) -> list[str]:
    sent = orjson.loads(orjson.dumps(items, option=orjson.OPT_SERIALIZE_NUMPY))
    return LabelInterface(config(tag)).validate_prediction({"result": sent}, return_errors=True)


@pytest.mark.parametrize("tag", ALL_TAGS)
def test_the_sdk_accepts_the_items_of_each_control(tag):
    assert sdk_errors(tag, encoded(tag, two_squares())) == []


@pytest.mark.parametrize("tag", TAGS)
def test_items_decode_to_the_mask_they_were_made_from(tag):
    masks = [decode_region(part) for part in encoded(tag, two_squares())]
    np.testing.assert_array_equal(np.logical_or.reduce(masks), two_squares())


@pytest.mark.parametrize("tag", ALL_TAGS)
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


@pytest.mark.parametrize(
    ("tag", "tool", "span"),
    [("labels+brush", "brush", {}), ("magic wand", "magicwand", {"start": 0, "end": 0})],
)
def test_labels_with_a_brush_are_two_items_with_one_id(tag, tool, span):
    stroke, labels = encoded(tag, two_squares())
    assert stroke["id"] == labels["id"] == "r1"
    assert (stroke["from_name"], stroke["type"]) == ("b", tool)
    assert (labels["from_name"], labels["type"]) == ("tag", "labels")
    assert labels["value"] == {**stroke["value"], "labels": ["c1"], **span}


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


@pytest.mark.parametrize(
    ("tag", "keys"),
    [
        ("rectanglelabels", {"x", "y", "width", "height", "rotation", "rectanglelabels"}),
        ("ellipselabels", {"x", "y", "radiusX", "radiusY", "rotation", "ellipselabels"}),
    ],
)
def test_rectangles_and_ellipses_are_one_item_of_the_controls_own_type(tag, keys):
    (part,) = encoded(tag, two_squares())
    assert (part["id"], part["from_name"], part["type"]) == ("r1", "tag", tag)
    assert part["value"].keys() == keys
    assert part["value"][tag] == ["c1"]
    assert (decode_region(part) & two_squares()).any()


@pytest.mark.parametrize("tag", ALL_TAGS)
def test_pages_of_a_value_list_are_numbered(tag):
    assert {part["item_index"] for part in encoded(tag, two_squares(), item_index=0)} == {0}


@pytest.mark.parametrize("tag", ALL_TAGS)
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
    assert {control_of(tag).kind for tag in ALL_TAGS} == set(ENCODERS)
