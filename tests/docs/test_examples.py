"""examples/: configs that paste. Label Studio and Firstpass read them, and they are answered."""

import json
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from label_studio_sdk.label_interface.interface import LabelInterface
from lxml import etree
from PIL import ImageColor
from skimage.color import rgb2lab

from backend.label_studio.controls import read_controls
from tests.support.request_bodies import box, click, predict_body

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples"
CONFIGS = sorted(FOLDER.glob("*.xml"))
NAMES = [path.stem for path in CONFIGS]


def test_the_page_lists_every_example_and_the_readme_names_the_folder():
    listed = set(re.findall(r"\((\w+)\.(?:xml|json)\)", (FOLDER / "README.md").read_text()))
    assert listed == set(NAMES)
    assert len(NAMES) >= 6
    assert "(examples/README.md)" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_label_studio_reads_it_and_its_colors_are_far_apart(path):
    text = path.read_text(encoding="utf-8")
    LabelInterface(text).validate()
    (control,) = read_controls(text)
    colors = [
        rgb2lab(np.array(ImageColor.getrgb(label.attrs["background"])) / 255)
        for label in control.labels
    ]
    assert min(np.linalg.norm(a - b) for a, b in combinations(colors, 2)) > 50


@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_its_smart_tools_have_the_same_labels_in_the_same_colors(path):
    found = [
        [(label.get("value"), label.get("background")) for label in control.iter("Label")]
        for control in etree.parse(path).getroot()
        if control.get("toName")
    ]
    assert len(found) == 3
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_it_is_set_up_and_predicted_with_its_extra_params(path, client, photo_uri):
    text, params = path.read_text(encoding="utf-8"), path.with_suffix(".json").read_text()
    project = f"{NAMES.index(path.stem) + 500}.1795366020"
    setup = client.post(
        "/setup", json={"project": project, "schema": text, "extra_params": json.loads(params)}
    )
    assert setup.status_code == 200, setup.json
    assert setup.json["warnings"] == []
    body = predict_body(photo_uri) | {"label_config": text, "project": project}
    (item,) = client.post("/predict", json=body).json["results"]
    assert item["model_version"] == setup.json["model_version"]
    assert "error" not in item
    labels = [label.name for label in read_controls(text)[0].labels]
    for prompt in (click(47, 42, labels[0]), box(25, 12, 44, 60, labels[-1])):
        body["params"]["context"] = {"result": [prompt]}
        (item,) = client.post("/predict", json=body).json["results"]
        assert "error" not in item
        for region in item["result"]:
            assert region["from_name"] == "tag"
