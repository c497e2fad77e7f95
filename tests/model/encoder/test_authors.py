"""Do the presets compute what their authors' codes compute?

The numbers in fixtures/authors_features.json were made by the authors' codes themselves, on the
tower of synthetic.py. SC-CLIP, SFP and CLIP Surgery fail on images that are not square; there is
no code of GCLIP, and RF-CLIP's names channels of OpenAI's towers.
"""

import json
from pathlib import Path

import pytest
import synthetic
import torch

from model.encoder.image_encoder import ImageEncoder
from model.encoder.paths import PathInput
from model.encoder.published.resclip import TextQuery
from model.methods import METHODS

RECORDED = json.loads((Path(__file__).parents[2] / "fixtures/authors_features.json").read_text())
CASES = [(name, size) for name, sizes in RECORDED["features"].items() for size in sizes]


@pytest.fixture(scope="module")
def encoder():
    return ImageEncoder(synthetic.synthetic_tower(), (0.0,) * 3, (1.0,) * 3, torch.device("cpu"))


@pytest.mark.parametrize(("name", "size"), CASES)
def test_features_are_those_of_the_authors_code(encoder, name, size):
    height, width = map(int, size.split("x"))
    query = TextQuery(synthetic.synthetic_texts(), METHODS[name].decision.logits.logit_scale)
    inputs = PathInput(synthetic.synthetic_pixels(height, width), queries=[query])
    tokens = encoder.encode_view(inputs, METHODS[name].encoder).patches
    patches = tokens[0].flatten(1).T  # (P, E)
    shown = patches[:: max(1, len(patches) // 6)][:6, :6]
    recorded = torch.tensor(RECORDED["features"][name][size])
    assert (shown - recorded).abs().max() < 1e-5


def test_every_published_code_that_can_run_was_recorded():
    assert set(METHODS) - set(RECORDED["features"]) == {"firstpass", "gclip", "rf-clip"}
