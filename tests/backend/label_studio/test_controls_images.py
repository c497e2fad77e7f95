"""The images of a task, under the keys that a config names."""

import pytest

from backend.errors import RequestError
from backend.label_studio.controls import (
    image_uris,
    read_controls,
)
from tests.support.label_configs import brush_labels, config


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ("$image", {"image": "/a.png"}),
        ("$a.b.url", {"a": {"b": {"url": "/a.png"}}}),
        ("$a.b.url", {"a.b.url": "/a.png"}),  # a key with dots, as from a CSV
        ("$photos[1].url", {"photos": [{}, {"url": "/a.png"}]}),
        ("$image", {"$undefined$": "/a.png"}),  # uploaded before the project had a config
    ],
)
def test_the_image_is_found_under_the_key_of_the_config(value, data):
    (control,) = read_controls(config(f'<Image name="image" value="{value}"/>', brush_labels()))
    assert control.image_key == value[1:]
    assert image_uris(control, data) == ["/a.png"]


def test_a_value_list_gives_the_pages():
    (control,) = read_controls(config('<Image name="image" valueList="$pages"/>', brush_labels()))
    assert (control.image_key, control.is_value_list) == ("pages", True)
    assert image_uris(control, {"pages": ["/1.png", "/2.png"]}) == ["/1.png", "/2.png"]
    assert image_uris(control, {"pages": "/1.png"}) == ["/1.png"]


@pytest.mark.parametrize(
    ("tag", "data", "message"),
    [
        ("value", {"picture": "/a.png", "id": 3}, 'image address under "image".*picture, id'),
        ("value", {"image": ["/a.png"]}, "needs an image address"),  # a list without valueList
        ("value", {"image": ""}, "needs an image address"),
        ("value", {"image": {"url": "/a.png"}}, "needs an image address.*but has: object"),
        ("value", {}, r"keys \(none\)"),
        ("valueList", {"image": []}, "needs a list of image addresses"),
        (
            "valueList",
            {"image": ["/a.png", None]},
            "needs a list of image addresses.*but has: list of nothing and text",
        ),
    ],
)
def test_a_task_without_the_image_names_the_keys_it_has(tag, data, message):
    (control,) = read_controls(config(f'<Image name="image" {tag}="$image"/>', brush_labels()))
    with pytest.raises(RequestError, match=message):
        image_uris(control, data)
