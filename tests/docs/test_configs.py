"""The labeling configs of the pages are painted, and their smart tools answered."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from label_studio_sdk.label_interface.interface import LabelInterface
from lxml import etree
from PIL import ImageColor
from skimage.color import rgb2lab

from backend.label_studio.controls import read_controls
from tests.docs.fenced_blocks import Block, blocks_of
from tests.support.request_bodies import click, predict_body

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CONFIGS = [block for page in PAGES for block in blocks_of(page) if block.language == "xml"]


@pytest.mark.parametrize("block", CONFIGS, ids=str)
def test_label_studio_and_firstpass_read_it(block: Block):
    LabelInterface(block.text).validate()
    assert read_controls(block.text)


@pytest.mark.parametrize("block", CONFIGS, ids=str)
def test_its_labels_have_colors_far_apart(block: Block):
    for control in read_controls(block.text):
        colors = [
            rgb2lab(np.array(ImageColor.getrgb(label.attrs["background"])) / 255)
            for label in control.labels
        ]
        assert min(np.linalg.norm(a - b) for a, b in combinations(colors, 2)) > 50


@pytest.mark.parametrize("block", CONFIGS, ids=str)
def test_a_click_with_its_smart_tool_is_answered(block: Block, client, photo_uri):
    (tool,) = etree.fromstring(block.text).findall(".//*[@smart]")
    for label in tool.findall("Label"):
        prompt = click(47, 42, label.get("value", ""), from_name=tool.get("name"))
        body = predict_body(photo_uri, context={"result": [prompt]})
        (item,) = client.post("/predict", json={**body, "label_config": block.text}).json["results"]
        (region,) = item["result"]
        assert region["value"]["brushlabels"] == [label.get("value")]
