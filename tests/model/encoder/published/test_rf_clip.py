"""RF-CLIP's denoising of distractor patches."""

import torch

from model.encoder.published.rf_clip import (
    MASSIVE_ACTIVATION_CHANNELS,
    NEIGHBORHOOD_SHARE,
    denoise,
)


def test_a_patch_with_a_massive_activation_is_blended_with_its_neighborhood():
    x = torch.rand(1, 10, 768, generator=torch.Generator().manual_seed(0))
    x[0, 5, MASSIVE_ACTIVATION_CHANNELS[768][1]] = 100.0  # patch 4, the center of 3x3
    denoised = denoise(x, (3, 3))
    neighborhood = x[0, 1:].mean(dim=0)
    expected = (1 - NEIGHBORHOOD_SHARE) * x[0, 5] + NEIGHBORHOOD_SHARE * neighborhood
    torch.testing.assert_close(denoised[0, 5], expected)
    others = [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert torch.equal(denoised[0, others], x[0, others])


def test_a_large_activation_in_another_channel_is_left_alone():
    x = torch.rand(1, 10, 768, generator=torch.Generator().manual_seed(0))
    x[0, 5, 5] = 100.0
    assert torch.equal(denoise(x, (3, 3)), x)


def test_towers_of_other_widths_find_their_channels_in_the_tokens():
    x = torch.rand(2, 10, 64, generator=torch.Generator().manual_seed(0))
    x[0, 5, 7] = 1000.0
    denoised = denoise(x, (3, 3))
    assert denoised[0, 5, 7] < 700
    assert torch.equal(denoised[1], x[1])
