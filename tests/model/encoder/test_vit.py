"""Our walk through open_clip's tower gives what open_clip gives."""

import json
from pathlib import Path

import open_clip
import pytest
import torch
from torch import nn

from model.encoder.vit import POSITIONS, check_vit, class_output, embed, resize_positions, run_block
from model.errors import CheckpointError
from model.methods import MethodConfig

METHOD = MethodConfig("test")
CONFIG = json.loads((Path(__file__).parents[2] / "fixtures/tiny_clip.json").read_text())


def build(**vision):
    config = CONFIG["model_cfg"]
    torch.manual_seed(0)
    clip = open_clip.CLIP(**{**config, "vision_cfg": {**config["vision_cfg"], **vision}})
    return clip.visual.eval()


@pytest.mark.parametrize("options", [{}, {"no_ln_pre": True, "ls_init_value": 0.1}])
def test_blocks_and_class_token_are_those_of_open_clip(options):
    visual = build(**options)
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        x = embed(visual, pixels, METHOD)
        for block in visual.transformer.resblocks[:-1]:
            x = run_block(block, x, METHOD)
        ours = class_output(visual, x, METHOD)
        theirs = torch.nn.functional.normalize(visual(pixels), dim=-1)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("how", POSITIONS)
@pytest.mark.parametrize("to_hw", [(4, 4), (3, 7), (20, 5)])
def test_positions_of_any_grid_keep_the_class_token(how, to_hw):
    positions = torch.randn(17, 8)
    resized = resize_positions(positions, (4, 4), to_hw, how)
    assert resized.shape == (1 + to_hw[0] * to_hw[1], 8)
    assert torch.equal(resized[0], positions[0])
    if to_hw == (4, 4):
        assert torch.equal(resized, positions)


def test_the_two_bicubic_ways_differ():
    positions = torch.randn(17, 8, generator=torch.Generator().manual_seed(0))
    by_size, by_scale = (
        resize_positions(positions, (4, 4), (6, 6), how) for how in ("bicubic", "offset")
    )
    assert 1e-3 < (by_size - by_scale).abs().max() < 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"attentional_pool": True}, "learned queries"),
        ({"pool_type": "avg"}, "pools by 'avg'"),
        ({"qk_norm": True}, "customised"),
    ],
)
def test_towers_without_native_attention_are_refused_with_what_works(options, reason):
    with pytest.raises(CheckpointError, match=rf"{reason}.*ViT-B-16"):
        check_vit(build(**options), "some-model")


def test_a_convolutional_tower_is_refused_by_its_name():
    with pytest.raises(CheckpointError, match=r"'RN50' cannot be used.*a Conv2d"):
        check_vit(nn.Conv2d(3, 3, 1), "RN50")
