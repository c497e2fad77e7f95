"""Labels of a control in the config; Label Studio's parser is the reference."""

from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_studio_sdk._extensions.label_studio_tools.core.label_config import parse_config

from backend.errors import LabelConfigError
from backend.label_studio.controls import read_controls
from tests.support.label_configs import (
    CAT_DOG,
    IMAGE,
    brush_labels,
    config,
    label_names,
    only_control,
)


def test_labels_are_found_inside_nested_views():
    control = only_control(
        brush_labels(f'<View><Header value="h"/><View>{CAT_DOG}</View></View><Label value="Cow"/>')
    )
    assert label_names(control.labels) == ["Cat", "Dog", "Cow"]


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
    assert (
        label_names(read_controls(text)[0].labels)
        == expected
        == parse_config(text)["tag"]["labels"]
    )


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
        assert label_names(read_controls(text)[0].labels) == expected
