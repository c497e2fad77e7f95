"""The checkpoint that ships: what the first prediction of a fresh clone stands on."""

import numpy as np
import pytest
import skimage.data
import torch

from model import METHODS, CheckpointConfig, Segmenter, Vocabulary, build_segmenter
from model.checkpoints import STARTER_CONFIG, STARTER_WEIGHTS


@pytest.fixture(scope="module")
def starter() -> Segmenter:
    return build_segmenter(CheckpointConfig(device="cpu", precision="float32"))


def test_config_and_weights_fit_into_git():
    assert STARTER_CONFIG.stat().st_size + STARTER_WEIGHTS.stat().st_size < 90e6


@pytest.mark.parametrize(
    ("word", "synonym"),
    [("kitten", "cat"), ("automobile", "car"), ("lawn", "grass"), ("sneaker", "shoe")],
)
def test_a_word_is_nearest_to_its_synonym(starter, word, synonym):
    names = ["cat", "dog", "car", "bus", "grass", "road", "sky", "shoe", "shirt", "person"]
    nearest = (starter.encode_text(names) @ starter.encode_text([word])[0]).argmax()
    assert names[nearest] == synonym


def test_texts_embed_alike_each_time_and_in_any_company(starter):
    alone, again = starter.encode_text(["cat"]), starter.encode_text(["cat"])
    among = starter.encode_text(["a striped cat on a sofa", "cat", "sky"])[1:2]
    assert torch.equal(alone, again)
    torch.testing.assert_close(alone, among, atol=1e-5, rtol=0)


def test_bfloat16_sees_what_float32_sees(starter):
    half = build_segmenter(CheckpointConfig(device="cpu", precision="bfloat16"))
    image = skimage.data.cat()[:224, :224]
    method = METHODS["clip"]
    full_token, half_token = (s.encode([image], method)[0].cls_token for s in (starter, half))
    assert full_token @ half_token > 0.999


def test_a_cat_is_a_cat_and_no_car(starter):
    vocabulary = Vocabulary.of(["car", "cat"])
    answer = starter([skimage.data.cat()], vocabulary)[0]
    assert answer.mask(1).mean() > 0.5
    assert answer.mask(0).mean() < 0.05


def test_the_sky_is_above_and_is_found(starter):
    answer = starter([skimage.data.rocket()], Vocabulary.of(["sky", "person"]))[0]
    assert answer.mask(0)[:200].mean() > 0.5
    assert 0 < answer.scores[0] <= 1
    assert np.isfinite(answer.scores).all()
