"""Repeaters, templates and absent images, through predictions and lessons."""

import pytest

from tests.support.annotations import EVERY_PIXEL
from tests.support.label_configs import brush_labels, config, labels
from tests.support.predictions import predict_one

TWO_IMAGES = config(
    '<Image name="left" value="$l"/><Image name="right" value="$r"/>',
    brush_labels(labels("Cat"), to_name="left,right"),
)
REPEATED = config(
    '<Repeater on="$images" indexFlag="{{idx}}">'
    '<Image name="image_{{idx}}" value="$images[{{idx}}]"/>'
    + brush_labels(labels("Cat"), name="tag_{{idx}}", to_name="image_{{idx}}")
    + "</Repeater>"
)


@pytest.mark.parametrize("absent", [{"r": None}, {"r": ""}, {}])
def test_an_image_that_the_task_does_not_have_is_no_failure(annotator, photo_uri, absent):
    item = predict_one(annotator, TWO_IMAGES, {"l": photo_uri, **absent})
    assert [region["to_name"] for region in item["result"]] == ["left"]


def test_a_task_without_any_image_is_told_so(annotator):
    (item,) = annotator.predict(
        [{"id": 1, "data": {"l": None, "other": 3}}], TWO_IMAGES, EVERY_PIXEL
    )
    assert "result" not in item
    assert 'image address under "l"' in item["error"]["message"]
    assert "keys l, other" in item["error"]["message"]


def test_a_repeaters_images_are_answered_under_the_names_of_the_page(annotator, photo_uri):
    regions = predict_one(annotator, REPEATED, {"images": [photo_uri, photo_uri]})["result"]
    assert [(region["from_name"], region["to_name"]) for region in regions] == [
        ("tag_0", "image_0"),
        ("tag_1", "image_1"),
    ]
    assert len({region["id"] for region in regions}) == 2


def test_an_image_may_be_a_text_with_a_variable(annotator, photo_uri):
    head, _, body = photo_uri.partition(",")
    label_config = config(
        f'<Image name="image" value="{head},$body"/>', brush_labels(labels("Cat"))
    )
    assert len(predict_one(annotator, label_config, {"body": body})["result"]) == 1
