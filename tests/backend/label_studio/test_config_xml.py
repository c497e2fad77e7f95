"""XML that is none, too large or harmful is refused."""

import pytest

from backend.errors import LabelConfigError
from backend.label_studio.controls import (
    read_controls,
)
from tests.support.label_configs import (
    IMAGE,
    brush_labels,
    config,
)


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
