"""Labeling configs as people write them, Label Studio's parser as the reference, hostile XML."""

import contextlib
import json
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_studio_sdk._extensions.label_studio_tools.core.label_config import parse_config

from backend.errors import LabelConfigError, RequestError
from backend.label_studio.controls import (
    Control,
    LabelSpec,
    image_uris,
    labels_for,
    read_controls,
)

RECORDED = Path(__file__).parents[2] / "fixtures" / "label_studio_1.23"
IMAGE = '<Image name="image" value="$image"/>'
CAT_DOG = '<Label value="Cat"/><Label value="Dog"/>'


def config(*tags: str) -> str:
    return f"<View>{''.join(tags)}</View>"


def brush_labels(children: str = CAT_DOG, attributes: str = "") -> str:
    return f'<BrushLabels name="tag" toName="image" {attributes}>{children}</BrushLabels>'


def only_control(*tags: str) -> Control:
    (control,) = read_controls(config(IMAGE, *tags))
    return control


def names(labels: tuple[LabelSpec, ...]) -> list[str]:
    return [label.name for label in labels]


# The controls.


def test_the_recorded_config_is_read_with_alias_hint_and_synonyms():
    schema = json.loads((RECORDED / "setup_extra_params.json").read_text())["body"]["schema"]
    (control,) = read_controls(schema)
    cat, dog = control.labels
    assert (control.kind, control.from_name, control.to_name) == ("brushlabels", "tag", "image")
    assert (control.image_key, control.is_value_list) == ("image", False)
    assert control.attrs["smart"] == "true"
    assert (cat.name, cat.value, cat.hint, cat.synonyms) == ("a cat", "Cat", "furry", ("kitten",))
    assert cat.attrs["background"] == "#FF0000"
    assert dog == LabelSpec("Dog", "Dog", attrs={"value": "Dog", "background": "#00FF00"})


@pytest.mark.parametrize("tag", ["BrushLabels", "BitmaskLabels", "PolygonLabels"])
def test_each_kind_of_labels_that_paints_is_a_control(tag):
    control = only_control(f'<{tag} name="t" toName="image">{CAT_DOG}</{tag}>')
    assert (control.kind, names(control.labels)) == (tag.lower(), ["Cat", "Dog"])
    assert control.brush_name is None


@pytest.mark.parametrize(
    ("tools", "brush"),
    [
        ('<Brush name="b" toName="image"/>', ("b", "brush")),
        ('<MagicWand name="m" toName="image"/>', ("m", "magicwand")),
        ('<Magicwand name="m" toName="image"/>', ("m", "magicwand")),  # as in the documentation
        (
            '<MagicWand name="m" toName="image"/><Brush name="b" toName="image"/>',
            ("b", "brush"),
        ),
    ],
)
def test_labels_paint_with_the_brush_of_the_same_image(tools, brush):
    control = only_control(f'<Labels name="l" toName="image">{CAT_DOG}</Labels>', tools)
    assert (control.kind, control.from_name) == ("labels+brush", "l")
    assert (control.brush_name, control.brush_type) == brush


def test_a_brush_of_another_image_does_not_paint_for_labels():
    two_images = config(
        IMAGE,
        '<Image name="other" value="$other"/>',
        f'<Labels name="l" toName="image">{CAT_DOG}</Labels>',
        '<Brush name="b" toName="other"/>',
    )
    with pytest.raises(LabelConfigError, match='<Labels name="l"> for "image" has no Brush'):
        read_controls(two_images)


def test_several_controls_on_several_images_keep_their_order():
    found = read_controls(
        config(
            '<BrushLabels name="late" toName="right">' + CAT_DOG + "</BrushLabels>",
            '<Image name="left" value="$photos.left"/><Image name="right" value="$photos.right"/>',
            '<PolygonLabels name="poly" toName="left"><Label value="Car"/></PolygonLabels>',
            '<RectangleLabels name="rect" toName="left"><Label value="Car"/></RectangleLabels>',
        )
    )
    assert [(c.from_name, c.to_name, c.image_key) for c in found] == [
        ("late", "right", "photos.right"),
        ("poly", "left", "photos.left"),
    ]


def test_a_control_for_two_images_is_one_control_each():
    found = read_controls(
        config(
            '<Image name="a" value="$a"/><Image name="b" value="$b"/>',
            f'<BrushLabels name="tag" toName="a, b">{CAT_DOG}</BrushLabels>',
        )
    )
    assert [(c.from_name, c.to_name, c.image_key) for c in found] == [
        ("tag", "a", "a"),
        ("tag", "b", "b"),
    ]


def test_xml_declarations_comments_and_case_do_not_matter():
    (control,) = read_controls(
        '\n<?xml version="1.0" encoding="utf-16"?>\n<!-- mine --><view><style>.a{}</style>'
        '<image name="image" value="$image"/><!-- <Label value="Old"/> -->'
        '<brushlabels name="tag" toName="image"><label value="Cat"/></brushlabels></view>'
    )
    assert names(control.labels) == ["Cat"]


def test_reading_a_config_again_costs_no_parsing():
    text = config(IMAGE, brush_labels())
    assert read_controls(text) is read_controls(text)


# The labels.


def test_labels_are_found_inside_nested_views():
    control = only_control(
        brush_labels(f'<View><Header value="h"/><View>{CAT_DOG}</View></View><Label value="Cow"/>')
    )
    assert names(control.labels) == ["Cat", "Dog", "Cow"]


@pytest.mark.parametrize(
    ("children", "expected"),
    [
        ('<Label value="5&quot; pipe &amp; co"/>', ['5" pipe & co']),  # quotes
        ('<Label value="🐈 gato"/>', ["🐈 gato"]),  # emoji
        ('<Label value="Cat"/><Label value="Cat" background="red"/>', ["Cat"]),  # doubles
        ('<Label value="Cat" alias="c1"/><Label value="Cat" alias="c2"/>', ["c1", "c2"]),
        ('<Label value=""/><Label/><Label value="Cat"/>', ["Cat"]),  # nothing to say
        ('<Label alias="only"/>', ["only"]),
        ('<Label value=" Cat "/>', [" Cat "]),  # results must carry it as it is
    ],
)
def test_label_names_are_those_that_label_studio_expects_in_results(children, expected):
    text = config(IMAGE, brush_labels(children))
    assert names(read_controls(text)[0].labels) == expected == parse_config(text)["tag"]["labels"]


def test_prompts_get_the_human_word_without_blanks():
    padded, alias_only = only_control(
        brush_labels(
            '<Label value=" Cat " alias="c1" predicted_values=" cat,, kitten ,kitten"/>'
            '<Label alias="only" hint="  "/>'
        )
    ).labels
    assert (padded.value, padded.synonyms) == ("Cat", ("kitten",))
    assert (alias_only.value, alias_only.hint) == ("only", "")


words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Co", "Cn"]), max_size=12)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"value": words}, optional={"alias": words, "hint": words, "predicted_values": words}
        ),
        min_size=1,
    )
)
def test_any_words_are_read_as_by_label_studio(all_attrs):
    children = "".join(
        f"<Label {' '.join(f'{k}={quoteattr(v)}' for k, v in attrs.items())}/>"
        for attrs in all_attrs
    )
    text = config(IMAGE, brush_labels(children))
    expected = [name for name in parse_config(text)["tag"]["labels"] if name.strip()]
    if not expected:
        with pytest.raises(LabelConfigError, match="has no labels"):
            read_controls(text)
    else:
        assert names(read_controls(text)[0].labels) == expected


# Labels of the task.


def test_dynamic_labels_come_from_the_task_after_those_of_the_config():
    control = only_control(brush_labels('<Label value="Other"/>', 'value="$opts.animals"'))
    assert (control.dynamic_key, names(control.labels)) == ("opts.animals", ["Other"])
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
    assert names(labels) == ["Other", "Cat", "d", "7"]
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
    assert names(labels_for(control, {"image": "x"})) == ["Other"]


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


# The images.


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
        ("value", {"image": {"url": "/a.png"}}, "needs an image address"),
        ("value", {}, r"keys \(none\)"),
        ("valueList", {"image": []}, "needs a list of image addresses"),
        ("valueList", {"image": ["/a.png", None]}, "needs a list of image addresses"),
    ],
)
def test_a_task_without_the_image_names_the_keys_it_has(tag, data, message):
    (control,) = read_controls(config(f'<Image name="image" {tag}="$image"/>', brush_labels()))
    with pytest.raises(RequestError, match=message):
        image_uris(control, data)


# Configs that cannot be used, and harmful ones.


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("", "no control at all"),
        (IMAGE, "no control at all"),
        (IMAGE + '<Choices name="c" toName="image"/>', '<Choices name="c">'),
        (
            IMAGE + '<BrushLabels name="t" toName="image"/>',
            '<BrushLabels name="t">.* has no labels',
        ),
        (brush_labels(), 'for "image" is not on an Image'),
        ('<Text name="image" value="$t"/>' + brush_labels(), 'for "image" is not on an Image'),
        (IMAGE + f'<Labels name="l" toName="image">{CAT_DOG}</Labels>', "has no Brush beside it"),
        ('<Image name="image" value="http://x/a.png"/>' + brush_labels(), "write it like .image"),
        (
            '<Repeater on="$p" indexFlag="{{i}}"><Image name="image" value="$p[{{i}}]"/>'
            + brush_labels()
            + "</Repeater>",
            "is inside a Repeater",
        ),
    ],
)
def test_a_config_with_nothing_to_paint_says_what_it_has_and_what_works(tags, found):
    with pytest.raises(LabelConfigError, match=found) as caught:
        read_controls(config(tags))
    example = str(caught.value).split("that works:\n")[1]
    assert names(read_controls(example)[0].labels) == ["Cat", "Dog"]


@pytest.mark.parametrize("text", [None, 7, "", "  ", {"View": {}}])
def test_what_is_no_text_is_refused(text):
    with pytest.raises(LabelConfigError, match="must be XML text"):
        read_controls(text)


@pytest.mark.parametrize("text", ["<View>", "View", "<View>&nbsp;</View>", '<View a="\ud800"/>'])
def test_what_is_no_xml_is_refused(text):
    with pytest.raises(LabelConfigError, match="not valid XML"):
        read_controls(text)


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE View [<!ENTITY e SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE View SYSTEM "http://127.0.0.1:1/x.dtd">',
        '<!DOCTYPE v [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    ],
    ids=["file", "network", "laughs"],
)
def test_entities_are_refused_before_they_are_read(declaration):
    with pytest.raises(LabelConfigError, match="DOCTYPE"):
        read_controls(declaration + config(IMAGE, brush_labels('<Label value="&e;"/>')))


def test_a_config_of_megabytes_is_refused():
    with pytest.raises(LabelConfigError, match="1000041 characters; at most 1000000"):
        read_controls(config("<Label/>" * 125_000 + " " * 28))


def test_a_control_for_many_images_reads_its_labels_once():
    many = range(300)  # were they read for each image, 1 MB of config would take minutes
    found = read_controls(
        config(
            "".join(f'<Image name="i{n}" value="$i"/>' for n in many),
            f'<BrushLabels name="t" toName="{",".join(f"i{n}" for n in many)}">',
            CAT_DOG + "</BrushLabels>",
        )
    )
    assert len(found) == len(many)
    assert all(control.labels is found[0].labels for control in found)


@given(st.text(max_size=60), st.text(max_size=20))
def test_any_text_is_read_or_refused(tags, attribute):
    with contextlib.suppress(LabelConfigError):
        read_controls(config(IMAGE, tags, brush_labels(attributes=f'x="{attribute}"')))
