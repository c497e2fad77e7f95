"""The whole method with its model on another device than the CPU, so that no GPU is a surprise.

The device is pretended (tests/model/pretended_device.py): it refuses what CUDA would.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pretended_device import DEVICE, pretended_device

from model import (
    METHODS,
    REFINERS,
    BoxPrompt,
    ClassPrompt,
    Memory,
    PointPrompt,
    SegmentSettings,
    TaughtMask,
    Vocabulary,
    build_segmenter,
)
from model.refine.crf import AFFORDABLE
from model.refine.refiners import refine_to_labels

WORDS = Vocabulary(
    (ClassPrompt("cat", synonyms=("kitten",), description="with whiskers"), ClassPrompt("dog")),
    auto_negatives=False,
)
CLICKS = [PointPrompt(0.2, 0.5), PointPrompt(0.9, 0.5, is_positive=False)]
TAKE_LONG = {"itaclip": 224}  # its windows are 28 px apart: here so many


@pytest.fixture
def device(monkeypatch):
    with pretended_device(monkeypatch) as entered:
        yield entered


def noise(height_px, width_px):
    return np.random.default_rng(0).integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)


def method_of(settings):
    method = settings.resolve()
    stride_px = TAKE_LONG.get(method.name, method.windows.stride_px)
    return replace(method, windows=replace(method.windows, stride_px=stride_px))


def answers(segmenter, method):
    """All that a segmenter says of an image: by words, by lessons and at clicks."""
    image = noise(48, 64)
    (features,) = segmenter.encode([image], method, WORDS)
    half = np.zeros(image.shape[:2], bool)
    half[:, :32] = True
    lesson = segmenter.learn(features, image, [TaughtMask("cat", half)], WORDS, method)
    memory = Memory.of([lesson])
    return features, [
        *(
            segmenter.segment(features, image, WORDS, method, one).label_map
            for one in (None, memory)
        ),
        segmenter.answer_prompts(features, image, CLICKS, WORDS, 0, method, memory)[0],
        segmenter.answer_prompts(
            features, image, [BoxPrompt((0.1, 0.1, 0.6, 0.9))], WORDS, 0, method
        )[0],
    ]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_answers_as_on_the_cpu(name, device, tiny_checkpoint, tiny_segmenter):
    method = method_of(SegmentSettings(name, templates="plain"))
    expected_features, expected = answers(tiny_segmenter, method)
    segmenter = build_segmenter(replace(tiny_checkpoint, device="cuda"))
    device.run.clear()
    features, found = answers(segmenter, method)
    assert device.run["aten::conv2d"], device.run  # the patches
    assert device.run["aten::argmax"] + device.run["aten::max"], device.run  # the labels
    assert features.patch_tokens.device.type == "cpu"
    torch.testing.assert_close(features.patch_tokens, expected_features.patch_tokens)
    for one, other in zip(found, expected, strict=True):
        assert (one == other).mean() > 0.97  # a GPU affords a finer CRF


@pytest.mark.parametrize("precision", ["auto", "float16"])
def test_half_precision_answers(precision, device, tiny_checkpoint):
    checkpoint = replace(tiny_checkpoint, device="cuda", precision=precision)
    segmenter = build_segmenter(checkpoint)
    assert segmenter.precision == {"auto": "bfloat16"}.get(precision, precision)
    features, found = answers(segmenter, method_of(SegmentSettings(templates="plain")))
    assert features.patch_tokens.isfinite().all()
    assert [one.shape for one in found] == [(48, 64)] * 4


def test_everyday_negatives_and_automatic_settings_answer(device, tiny_checkpoint):
    segmenter = build_segmenter(replace(tiny_checkpoint, device="cuda"))
    settings = SegmentSettings(logit_scale="auto", prob_threshold="auto", area_threshold="auto")
    (found,) = segmenter([noise(64, 64)], Vocabulary.of(["cat", "dog"]), settings)
    assert found.label_map.shape == (64, 64)


@pytest.mark.parametrize("name", REFINERS)
def test_every_refiner_runs_where_its_probs_are(name, device, monkeypatch):
    monkeypatch.setitem(AFFORDABLE, "cuda", replace(AFFORDABLE["cpu"], dtype=torch.float16))
    probs = torch.rand(5, 9, 12, generator=torch.Generator().manual_seed(0)).softmax(dim=0)
    image = torch.from_numpy(noise(300, 400)).permute(2, 0, 1).contiguous()
    expected, expected_prob = refine_to_labels(name, probs, image)
    device.run.clear()
    with torch.inference_mode():
        labels, prob = refine_to_labels(name, probs.to(DEVICE), image.to(DEVICE))
    assert labels.device == prob.device == DEVICE
    assert (labels.cpu() == expected).float().mean() > 0.99
    assert (prob.cpu() - expected_prob).abs().mean() < 5e-3  # a CRF's attention is in float16


def test_a_device_without_room_leaves_the_edges_to_the_cpu(device, tiny_segmenter, caplog):
    method = method_of(SegmentSettings(templates="plain"))
    image = noise(200, 300)
    (features,) = tiny_segmenter.encode([image], method, WORDS)
    expected = tiny_segmenter.segment(features, image, WORDS, method).label_map
    there = replace(
        tiny_segmenter, encode_image=replace(tiny_segmenter.encode_image, device=DEVICE)
    )
    assert there.refining_device == DEVICE
    device.largest_bytes = image.nbytes - 1
    found = there.segment(features, image, WORDS, method).label_map
    assert (found == expected).all()
    assert "edges of an image of 300 x 200 pixels are refined on the CPU" in caplog.text


@pytest.mark.parametrize(
    "mixed",
    [
        lambda there: there + torch.ones(3),
        lambda there: torch.ones(3) * there.sum(),
        lambda there: torch.stack([there.sum(), torch.tensor(1.0)]),
        lambda there: torch.ones(3)[there > 0],
        lambda there: there.numpy(),
        lambda there: np.asarray(there),
    ],
)
def test_what_a_gpu_refuses_is_refused(device, mixed):
    with pytest.raises(RuntimeError):
        mixed(torch.ones(3, device="cuda"))


@pytest.mark.parametrize(
    "allowed",
    [
        lambda there: there + torch.tensor(1.0),
        lambda there: there[torch.tensor([2, 0])],
        lambda there: there.index_put_((torch.tensor([1]),), torch.tensor(5.0)),
        lambda there: there.copy_(torch.zeros(3)),
        lambda there: torch.zeros(3).to(there),
    ],
)
def test_what_a_gpu_allows_is_allowed(device, allowed):
    assert allowed(torch.ones(3, device="cuda")).device == DEVICE
