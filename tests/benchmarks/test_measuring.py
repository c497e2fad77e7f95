"""What benchmarks measure with: kept texts, vocabularies of sets, mIoU."""

import numpy as np
import pytest
import torch
from PIL import Image
from toy_encoder import ToyEncoder

from benchmarks.datasets import MeasuringSet
from benchmarks.measuring import KeptTexts, measure, vocabulary_of, with_kept_features
from model import METHODS


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "pets"
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    (folder / "classes.txt").write_text("0\tbackground\n1\tcat\n2\tdog\n")
    Image.fromarray(np.zeros((32, 40, 3), np.uint8)).save(folder / "images/photo.png")
    Image.fromarray(np.ones((32, 40), np.uint8)).save(folder / "masks/photo.png")
    return MeasuringSet(folder)


def test_a_text_is_encoded_once_for_each_template_set():
    encoder = ToyEncoder()
    kept = KeptTexts(encoder)
    first = kept(["cat", "dog", "cat"], "photo")
    assert torch.equal(kept(["dog", "cat"], "photo"), first[[1, 0]])
    kept(["cat"], "plain")
    asked = [(texts, templates) for texts, templates in encoder.asked if texts]
    assert asked == [(("cat", "dog"), "photo"), (("cat",), "plain")]
    assert kept([]).shape == (0, 16)


def test_background_is_never_typed_as_a_label(data):
    assert vocabulary_of(data, "plain").names == ("cat", "dog")
    assert vocabulary_of(data, "plain").auto_negatives


def test_a_set_without_an_official_list_says_which_have_one(data):
    with pytest.raises(ValueError, match=r"no official list for pets.*coco_object_train"):
        vocabulary_of(data, "official")


def test_every_pixel_of_every_image_is_counted(tiny_segmenter, data):
    words = vocabulary_of(data, "plain", auto_negatives=False)
    result = measure(tiny_segmenter, data, words, METHODS["clip"])
    assert result.all.confusion.counts.sum() == 32 * 40
    assert result.all.confusion.counts[1].sum() == 32 * 40  # the truth is cat everywhere
    assert len(result.seconds) == 1
    assert 0 <= result.miou <= 1


def test_regions_below_min_score_are_counted_apart(tiny_segmenter, data):
    words = vocabulary_of(data, "plain", auto_negatives=False)
    result = measure(tiny_segmenter, data, words, METHODS["clip"], min_score=1.0)
    assert result.well_scored.confusion.miou == 0
    assert result.well_scored.pieces == 1  # the cat, to be drawn anew
    everything = measure(tiny_segmenter, data, words, METHODS["clip"])
    assert everything.well_scored.pieces == everything.all.pieces == result.all.pieces


def test_features_in_a_folder_are_those_of_the_encoder(tiny_segmenter, data, tmp_path, monkeypatch):
    kept = with_kept_features(tiny_segmenter, tmp_path / "kept")
    image, method = data.load("photo").image, METHODS["firstpass"]
    (first,) = kept.encode([image], method)
    (asked,) = tiny_segmenter.encode([image], method)
    monkeypatch.setattr(type(tiny_segmenter.encode_image), "__call__", None)  # asked no more
    (again,) = kept.encode([image], method)
    assert torch.equal(first.patch_tokens, asked.patch_tokens)
    assert torch.equal(again.patch_tokens, asked.patch_tokens)
    assert again.image_hw == asked.image_hw
