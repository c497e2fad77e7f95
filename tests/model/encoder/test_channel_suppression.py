"""Massive feed-forward channels are found by their weights and scaled back."""

import synthetic
import torch

from model.encoder.channel_suppression import FfnChannel, channel_gains, largest_ffn_channels
from model.encoder.tower import Tower


def test_a_planted_massive_channel_is_reported_and_scaled_back():
    visual = synthetic.synthetic_tower()
    weight = visual.transformer.resblocks[8].mlp.c_proj.weight
    weight[5] *= 10
    largest = largest_ffn_channels(visual)
    assert (largest[8].block, largest[8].channel) == (9, 5)
    assert 8 < largest[8].ratio < 12

    gains = channel_gains(largest, max_ratio=2.0, global_block=7, width=synthetic.WIDTH)
    assert set(gains) == {9}
    x = torch.randn(1, 4, synthetic.WIDTH, generator=torch.Generator().manual_seed(0))
    suppressed = Tower(visual, channel_gains=gains).feed_forward(9, x)
    weight[5] /= largest[8].ratio
    torch.testing.assert_close(suppressed, Tower(visual).feed_forward(9, x))


def test_only_blocks_between_the_global_one_and_the_last_are_changed():
    largest = [FfnChannel(block, channel=0, ratio=5.0) for block in range(1, 13)]
    gains = channel_gains(largest, max_ratio=2.0, global_block=9, width=8)
    assert set(gains) == {10, 11}
    assert channel_gains(largest, max_ratio=6.0, global_block=9, width=8) == {}
