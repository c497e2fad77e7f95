"""RF-CLIP's denoising of distractor patches."""

from dataclasses import replace

import synthetic
import torch

from model.encoder.published.rf_clip import (
    NEIGHBORHOOD_SHARE,
    OPENAI_CHANNELS,
    denoise,
    openai_channels,
)
from model.encoder.tower_traits import measure_traits


def test_a_patch_with_a_massive_activation_is_blended_with_its_neighborhood():
    x = torch.rand(1, 10, 768, generator=torch.Generator().manual_seed(0))
    x[0, 5, OPENAI_CHANNELS[768][1]] = 100.0  # patch 4, the center of 3x3
    denoised = denoise(x, (3, 3), OPENAI_CHANNELS[768])
    neighborhood = x[0, 1:].mean(dim=0)
    expected = (1 - NEIGHBORHOOD_SHARE) * x[0, 5] + NEIGHBORHOOD_SHARE * neighborhood
    torch.testing.assert_close(denoised[0, 5], expected)
    others = [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert torch.equal(denoised[0, others], x[0, others])


def test_a_large_activation_in_another_channel_is_left_alone():
    x = torch.rand(1, 10, 768, generator=torch.Generator().manual_seed(0))
    x[0, 5, 5] = 100.0
    assert torch.equal(denoise(x, (3, 3), OPENAI_CHANNELS[768]), x)


def test_without_known_channels_the_window_s_own_are_taken():
    x = torch.rand(2, 10, 64, generator=torch.Generator().manual_seed(0))
    x[0, 5, 7] = 1000.0
    denoised = denoise(x, (3, 3), ())
    assert denoised[0, 5, 7] < 700
    assert torch.equal(denoised[1], x[1])


def traits(width, largest_channels):
    measured = measure_traits(synthetic.synthetic_tower())
    return replace(measured, width=width, largest_channels=largest_channels)


def test_openai_s_towers_are_recognized_by_half_of_their_channels():
    seen = (*OPENAI_CHANNELS[768][:4], 1, 2, 3)
    assert openai_channels(traits(768, seen)) == OPENAI_CHANNELS[768]


def test_another_tower_of_the_same_width_does_not_get_openai_s_channels():
    assert openai_channels(traits(768, (*OPENAI_CHANNELS[768][:3], 1, 2, 3))) == ()
    assert openai_channels(traits(384, OPENAI_CHANNELS[768])) == ()
