"""Our walk through open_clip's tower gives what open_clip gives."""

import pytest
import torch
from tiny_tower import tiny_tower

from model.encoder.tower import POSITIONS, Tower, resize_positions


@pytest.mark.parametrize("options", [{}, {"no_ln_pre": True, "ls_init_value": 0.1}])
def test_blocks_and_class_token_are_those_of_open_clip(options):
    visual = tiny_tower(**options)
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        tower = Tower(visual)
        x = tower.embed(pixels)
        for number in range(1, tower.n_blocks):
            x = tower.run_block(number, x)
        ours = tower.class_output(x)
        theirs = torch.nn.functional.normalize(visual(pixels), dim=-1)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("how", POSITIONS)
@pytest.mark.parametrize("to_hw", [(4, 4), (3, 7), (20, 5)])
def test_positions_of_any_grid_keep_the_class_token(how, to_hw):
    positions = torch.randn(17, 8)
    resized = resize_positions(positions, from_hw=(4, 4), to_hw=to_hw, how=how)
    assert resized.shape == (1 + to_hw[0] * to_hw[1], 8)
    assert torch.equal(resized[0], positions[0])
    if to_hw == (4, 4):
        assert torch.equal(resized, positions)


def test_the_two_bicubic_ways_differ():
    positions = torch.randn(17, 8, generator=torch.Generator().manual_seed(0))
    by_size, by_scale = (
        resize_positions(positions, from_hw=(4, 4), to_hw=(6, 6), how=how)
        for how in ("bicubic", "offset")
    )
    assert 1e-3 < (by_size - by_scale).abs().max() < 1
