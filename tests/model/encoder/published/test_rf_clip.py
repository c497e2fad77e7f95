"""RF-CLIP's calming of distracting tokens."""

import torch

from model.encoder.published.rf_clip import BLEND, LOUD_CHANNELS, calm


def test_a_token_that_shouts_in_a_loud_channel_is_blended_with_its_neighbourhood():
    x = torch.rand(1, 10, 768, generator=torch.Generator().manual_seed(0))
    x[0, 5, LOUD_CHANNELS[768][1]] = 100.0  # patch 4, the middle of 3x3
    calmed = calm(x, (3, 3))
    neighbourhood = x[0, 1:].mean(dim=0)
    expected = (1 - BLEND) * x[0, 5] + BLEND * neighbourhood
    torch.testing.assert_close(calmed[0, 5], expected)
    others = [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert torch.equal(calmed[0, others], x[0, others])


def test_a_token_that_shouts_elsewhere_is_left_alone():
    x = torch.rand(1, 10, 768, generator=torch.Generator().manual_seed(0))
    x[0, 5, 5] = 100.0
    assert torch.equal(calm(x, (3, 3)), x)


def test_towers_of_other_widths_find_their_channels_in_the_tokens():
    x = torch.rand(2, 10, 64, generator=torch.Generator().manual_seed(0))
    x[0, 5, 7] = 1000.0
    calmed = calm(x, (3, 3))
    assert calmed[0, 5, 7] < 700
    assert torch.equal(calmed[1], x[1])
