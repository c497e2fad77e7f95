"""Which arithmetic CLIP is computed in."""

import pytest
import torch
from torch import nn

from model import METHODS, CheckpointConfig, CheckpointError, Vocabulary, build_segmenter
from model.build import text_fingerprint
from model.precision import (
    bfloat16_speed_up,
    choose_precision,
    has_native_bfloat16,
    keep_weights_in,
)

CPU = torch.device("cpu")


def test_a_named_precision_is_taken_and_an_unknown_one_refused():
    assert choose_precision("float32", CPU) is None
    assert choose_precision("bfloat16", CPU) is torch.bfloat16
    with pytest.raises(CheckpointError, match="Unknown precision 'fp8'"):
        choose_precision("fp8", CPU)


@pytest.mark.parametrize(
    ("capabilities", "speed_up", "chosen"),
    [
        ({"amx_bf16": True}, 6.0, torch.bfloat16),
        ({"avx512_bf16": True, "amx_bf16": False}, 1.9, torch.bfloat16),
        ({"amx_bf16": True}, 1.1, None),  # the unit is there, but of no use (an emulator)
        ({"avx512_f": True}, 6.0, None),
        ({}, 6.0, None),
    ],
)
def test_auto_takes_bfloat16_on_a_cpu_that_has_it_and_is_faster_by_it(
    monkeypatch, capabilities, speed_up, chosen
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr("model.precision.bfloat16_speed_up", lambda: speed_up)
    assert choose_precision("auto", CPU) is chosen


def test_a_pytorch_that_cannot_tell_means_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not has_native_bfloat16()
    assert choose_precision("auto", CPU) is None


def test_the_speed_up_is_that_of_this_machine():
    assert bfloat16_speed_up(repeats=2) > 0


def test_matrix_weights_are_kept_in_the_precision_and_norms_are_not():
    clip = nn.Sequential(nn.Conv2d(3, 8, 4), nn.LayerNorm(8), nn.Linear(8, 8))
    keep_weights_in(clip, torch.bfloat16)
    assert clip[0].weight.dtype == clip[2].weight.dtype == torch.bfloat16
    assert clip[1].weight.dtype == torch.float32


def test_text_embeds_of_two_precisions_have_two_names():
    assert text_fingerprint("abc", None) == "abc"
    assert text_fingerprint("abc", torch.bfloat16) == "abc-bfloat16"


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_answers_in_bfloat16(name, tiny_checkpoint, photo):
    half = CheckpointConfig(
        tiny_checkpoint.model, tiny_checkpoint.pretrained, device="cpu", precision="bfloat16"
    )
    segmenter = build_segmenter(half)
    words, method = Vocabulary.of(["disk", "ground"]), METHODS[name]
    (features,) = segmenter.encode([photo], method, words)
    assert features.patch_tokens.dtype == torch.float32
    assert features.patch_tokens.isfinite().all()
    answer = segmenter.segment(features, photo, words, method)
    assert answer.label_map.shape == photo.shape[:2]
