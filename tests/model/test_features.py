"""Features at the grid of other maps."""

import torch

from model.features import DenseFeatures

FEATURES = DenseFeatures(torch.rand(5, 3, 4), torch.eye(5)[0], (30, 40))


def test_at_their_own_grid_tokens_are_as_they_are():
    assert FEATURES.tokens_like(torch.zeros(2, 3, 4)) is FEATURES.patch_tokens


def test_at_another_grid_they_are_interpolated():
    finer = FEATURES.tokens_like(torch.zeros(2, 6, 8))
    assert finer.shape == (5, 6, 8)
    torch.testing.assert_close(finer.mean(dim=(1, 2)), FEATURES.patch_tokens.mean(dim=(1, 2)))
