"""The images and labels of a task, under the keys that a config names, and its repetitions."""

import pytest

from backend.errors import NoImage, RequestError
from backend.label_studio.controls import Control, read_controls
from backend.label_studio.task_data import (
    MAX_REPETITIONS,
    labels_for,
    repeat_control,
    task_images,
)
from tests.support.label_configs import (
    brush_labels,
    config,
    label_names,
    only_control,
)


def control_on(image: str) -> Control:
    """The control on an Image with this attribute."""
    (control,) = read_controls(config(f'<Image name="image" {image}/>', brush_labels()))
    return control


def uris(control: Control, data: dict) -> list[str]:
    return [image.uri for image in task_images(control, data)]


# --- images


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ("$image", {"image": "/a.png"}),
        ("$a.b.url", {"a": {"b": {"url": "/a.png"}}}),
        ("$a.b.url", {"a.b.url": "/a.png"}),  # a key with dots, as from a CSV
        ("$photos[1].url", {"photos": [{}, {"url": "/a.png"}]}),
        ("$my image", {"my image": "/a.png"}),
        ("$image", {"$undefined$": "/a.png"}),  # uploaded before the project had a config
        ("/$name", {"name": "a.png"}),
        ("/$names[1]", {"names": ["b.png", "a.png"]}),
    ],
)
def test_the_image_is_found_under_the_key_of_the_config(value, data):
    assert uris(control_on(f'value="{value}"'), data) == ["/a.png"]


def test_variables_in_a_text_are_replaced_by_the_tasks_data():
    control = control_on('value="https://host/$folder.name/$file?size=$size"')
    data = {"folder": {"name": "tiles"}, "file": "a.png", "size": 3}
    assert uris(control, data) == ["https://host/tiles/a.png?size=3"]


def test_a_text_with_a_variable_that_the_task_lacks_is_no_image():
    control = control_on('value="https://host/$folder/$file"')
    with pytest.raises(NoImage, match='image address under "folder" and "file"'):
        task_images(control, {"file": "a.png"})


def test_a_value_list_gives_the_pages():
    control = control_on('valueList="$pages"')
    assert control.is_value_list
    assert uris(control, {"pages": ["/1.png", "/2.png"]}) == ["/1.png", "/2.png"]
    assert uris(control, {"pages": "/1.png"}) == ["/1.png"]


def test_pages_that_are_null_are_left_out_and_the_others_keep_their_numbers():
    images = task_images(control_on('valueList="$pages"'), {"pages": [None, "/2.png", ""]})
    assert [(image.page, image.uri) for image in images] == [(1, "/2.png")]


def test_a_page_that_is_no_address_fails_alone():
    first, second = task_images(control_on('valueList="$pages"'), {"pages": ["/1.png", {"u": 1}]})
    assert first.uri == "/1.png"
    with pytest.raises(RequestError, match="must be an image address, but one is: object"):
        _ = second.uri


@pytest.mark.parametrize(
    ("tag", "data", "message"),
    [
        ("value", {"picture": "/a.png", "id": 3}, 'image address under "image".*picture, id'),
        ("value", {"image": None}, "needs an image address"),
        ("value", {"image": ""}, "needs an image address"),
        ("value", {}, r"keys \(none\)"),
        ("valueList", {"image": []}, "needs a list of image addresses"),
        ("valueList", {"image": [None, ""]}, "needs a list of image addresses"),
    ],
)
def test_a_task_without_the_image_names_the_keys_it_has(tag, data, message):
    with pytest.raises(NoImage, match=message):
        task_images(control_on(f'{tag}="$image"'), data)


@pytest.mark.parametrize("image", [["/a.png"], {"url": "/a.png"}, 3])
def test_what_is_no_address_is_refused(image):
    with pytest.raises(RequestError, match="needs an image address") as caught:
        task_images(control_on('value="$image"'), {"image": image})
    assert not isinstance(caught.value, NoImage)


# --- repetitions

REPEATED = (
    '<Repeater on="$images" indexFlag="{{n}}">'
    '<Image name="image_{{n}}" value="$images[{{n}}].url"/>'
    + brush_labels(name="tag_{{n}}", to_name="image_{{n}}")
    + "</Repeater>"
)


def repeated(tags: str, data: dict) -> list[tuple[str, str, list[str]]]:
    (control,) = read_controls(config(tags))
    found = list(repeat_control(control, data))
    assert {one.lesson_name for one in found} == {control.from_name}
    return [(one.from_name, one.to_name, uris(one, data)) for one in found]


def test_a_repeater_gives_a_control_for_each_item_named_as_by_label_studio():
    data = {"images": [{"url": "/1.png"}, {"url": "/2.png"}]}
    assert repeated(REPEATED, data) == [
        ("tag_0", "image_0", ["/1.png"]),
        ("tag_1", "image_1", ["/2.png"]),
    ]


def test_the_index_of_a_repeater_is_idx_unless_it_is_named():
    tags = REPEATED.replace(' indexFlag="{{n}}"', "").replace("{{n}}", "{{idx}}")
    assert [name for name, _, _ in repeated(tags, {"images": [{"url": "/1.png"}]})] == ["tag_0"]


def test_repeaters_may_be_inside_each_other():
    tags = (
        '<Repeater on="$rows" indexFlag="{{r}}"><Repeater on="$rows[{{r}}]" indexFlag="{{c}}">'
        '<Image name="i{{r}}-{{c}}" value="$rows[{{r}}][{{c}}]"/>'
        + brush_labels(name="t{{r}}-{{c}}", to_name="i{{r}}-{{c}}")
        + "</Repeater></Repeater>"
    )
    assert repeated(tags, {"rows": [["/a"], ["/b", "/c"]]}) == [
        ("t0-0", "i0-0", ["/a"]),
        ("t1-0", "i1-0", ["/b"]),
        ("t1-1", "i1-1", ["/c"]),
    ]


def test_a_control_may_be_repeated_on_one_image():
    tags = (
        '<Image name="image" value="$image"/><Repeater on="$kinds">'
        + brush_labels(name="tag_{{idx}}")
        + "</Repeater>"
    )
    found = repeated(tags, {"image": "/a.png", "kinds": ["x", "y"]})
    assert found == [("tag_0", "image", ["/a.png"]), ("tag_1", "image", ["/a.png"])]


def test_labels_and_brushes_are_repeated_with_their_control():
    (control,) = read_controls(
        config(
            '<Repeater on="$images"><Image name="image_{{idx}}" value="$images[{{idx}}]"/>'
            '<Labels name="l_{{idx}}" toName="image_{{idx}}" value="$words[{{idx}}]">'
            '<Label value="Cat {{idx}}"/></Labels><Brush name="b_{{idx}}" toName="image_{{idx}}"/>'
            "</Repeater>"
        )
    )
    data = {"images": ["/1", "/2"], "words": [["Dog"], ["Cow"]]}
    second = list(repeat_control(control, data))[1]
    assert (second.from_name, second.brush_name) == ("l_1", "b_1")
    assert label_names(labels_for(second, data)) == ["Cat 1", "Cow"]


@pytest.mark.parametrize("data", [{}, {"images": None}, {"images": []}])
def test_a_repeater_without_items_has_no_images(data):
    (control,) = read_controls(config(REPEATED))
    with pytest.raises(NoImage, match='nothing under "images", which the Repeater'):
        list(repeat_control(control, data))


@pytest.mark.parametrize("items", ["abc", {"a": 1}, 3, [0] * (MAX_REPETITIONS + 1)])
def test_a_repeater_goes_through_a_list_of_bounded_length(items):
    (control,) = read_controls(config(REPEATED))
    with pytest.raises(RequestError, match="a list of at most 1000 items"):
        list(repeat_control(control, {"images": items}))


# --- labels


def test_dynamic_labels_come_from_the_task_after_those_of_the_config():
    control = only_control(brush_labels('<Label value="Other"/>', 'value="$opts.animals"'))
    assert (control.dynamic_key, label_names(control.labels)) == ("opts.animals", ["Other"])
    task_data = {
        "opts": {
            "animals": [
                "Cat",
                {
                    "value": "Dog",
                    "alias": "d",
                    "background": "#0f0",
                    "hint": "barks",
                    "children": [],
                },
                "Cat",
                {"value": "Rank", "alias": 7},
            ]
        }
    }
    labels = labels_for(control, task_data)
    assert label_names(labels) == ["Other", "Cat", "d", "7"]
    assert (labels[2].value, labels[2].hint, labels[2].attrs["background"]) == (
        "Dog",
        "barks",
        "#0f0",
    )


def test_static_labels_need_no_task():
    control = only_control(brush_labels())
    assert labels_for(control, {}) is control.labels


def test_a_task_without_dynamic_labels_has_those_of_the_config():
    control = only_control(brush_labels('<Label value="Other"/>', 'value="$opts"'))
    assert label_names(labels_for(control, {"image": "x"})) == ["Other"]


@pytest.mark.parametrize("opts", [None, "Cat", [["Cat"]], {"value": "Cat"}, [None]])
def test_dynamic_labels_of_another_form_are_named(opts):
    control = only_control(brush_labels("", 'value="$opts"'))
    with pytest.raises(RequestError, match=r'"tag" come from the task.*under "opts".*keys image'):
        labels_for(control, {"image": "x", **({} if opts is None else {"opts": opts})})


@pytest.mark.parametrize("opts", [[], [""], [{"background": "red"}]])
def test_an_empty_list_of_dynamic_labels_is_named(opts):
    control = only_control(brush_labels("", 'value="$opts"'))
    with pytest.raises(RequestError, match='list of labels "opts" is empty'):
        labels_for(control, {"opts": opts})
