"""Which controls of a labeling config masks can be made for."""

import pytest

from backend.errors import LabelConfigError
from backend.label_studio.controls import (
    LabelSpec,
    read_controls,
)
from tests.support.label_configs import (
    CAT_DOG,
    IMAGE,
    brush_labels,
    config,
    label_names,
    only_control,
)
from tests.support.recorded import recorded_body


def repeater(after: str, *, image: str, tag: str, on: str) -> str:
    """A <Repeater> with an <Image> and, if `tag` names one, a <BrushLabels> on it."""
    inside = f'<Image name="{image}" value="$p[{{{{idx}}}}]"/>'
    inside += brush_labels(name=tag, to_name=image) if tag else ""
    return f'<Repeater on="{on}">{inside}</Repeater>{after}'


def test_the_recorded_config_is_read_with_alias_hint_and_synonyms():
    schema = recorded_body("setup_extra_params")["schema"]
    (control,) = read_controls(schema)
    cat, dog = control.labels
    assert (control.kind, control.from_name, control.to_name) == ("brushlabels", "tag", "image")
    assert (control.image_value, control.is_value_list) == ("$image", False)
    assert control.attrs["smart"] == "true"
    assert (cat.name, cat.value, cat.hint, cat.synonyms) == ("a cat", "Cat", "furry", ("kitten",))
    assert cat.attrs["background"] == "#FF0000"
    assert dog == LabelSpec("Dog", "Dog", attrs={"value": "Dog", "background": "#00FF00"})


@pytest.mark.parametrize("tag", ["BrushLabels", "BitmaskLabels", "PolygonLabels"])
def test_each_kind_of_labels_that_paints_is_a_control(tag):
    control = only_control(f'<{tag} name="t" toName="image">{CAT_DOG}</{tag}>')
    assert (control.kind, label_names(control.labels)) == (tag.lower(), ["Cat", "Dog"])
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
    assert [(c.from_name, c.to_name, c.image_value) for c in found] == [
        ("late", "right", "$photos.right"),
        ("poly", "left", "$photos.left"),
    ]


def test_a_control_for_two_images_is_one_control_each():
    found = read_controls(
        config(
            '<Image name="a" value="$a"/><Image name="b" value="$b"/>',
            f'<BrushLabels name="tag" toName="a, b">{CAT_DOG}</BrushLabels>',
        )
    )
    assert [(c.from_name, c.to_name, c.image_value) for c in found] == [
        ("tag", "a", "$a"),
        ("tag", "b", "$b"),
    ]


def test_xml_declarations_comments_and_case_do_not_matter():
    (control,) = read_controls(
        '\n<?xml version="1.0" encoding="utf-16"?>\n<!-- mine --><view><style>.a{}</style>'
        '<image name="image" value="$image"/><!-- <Label value="Old"/> -->'
        '<brushlabels name="tag" toName="image"><label value="Cat"/></brushlabels></view>'
    )
    assert label_names(control.labels) == ["Cat"]


def test_reading_a_config_again_costs_no_parsing():
    text = config(IMAGE, brush_labels())
    assert read_controls(text) is read_controls(text)


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
            repeater("", image="i_{{idx}}", tag="t", on="$p"),
            'put "{{idx}}" into the name of the Br',
        ),
        (
            repeater("", image="i", tag="t_{{idx}}", on="$p"),
            'put "{{idx}}" into the name of the Im',
        ),
        (
            repeater("", image="i_{{idx}}", tag="t_{{idx}}", on="p"),
            'is in a Repeater on "p": write',
        ),
        (
            repeater(brush_labels(to_name="i_{{idx}}"), image="i_{{idx}}", tag="", on="$p"),
            "is not in the Repeater of its Image",
        ),
    ],
)
def test_a_config_with_nothing_to_paint_says_what_it_has_and_what_works(tags, found):
    with pytest.raises(LabelConfigError, match=found) as caught:
        read_controls(config(tags))
    example = str(caught.value).split("that works:\n")[1]
    assert label_names(read_controls(example)[0].labels) == ["Cat", "Dog"]


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


@pytest.mark.parametrize("kind", ["RectangleLabels", "EllipseLabels"])
def test_boxes_are_drawn_where_no_control_is_for_masks(kind):
    boxes = f'<{kind} name="box" toName="image">{CAT_DOG}</{kind}>'
    control = only_control(boxes)
    assert (control.kind, control.from_name) == (kind.lower(), "box")
    assert control.draws_boxes
    skipped = brush_labels(attributes='model_skip="true"')
    assert only_control(boxes, skipped).draws_boxes
    beside = only_control(boxes, brush_labels())
    assert (beside.from_name, beside.draws_boxes) == ("tag", False)
