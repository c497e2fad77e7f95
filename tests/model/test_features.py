"""Features at the grid of other maps, and what lessons read of them."""

import torch

from model.features import DenseFeatures

FEATURES = DenseFeatures(
    torch.rand(5, 3, 4), torch.eye(5)[0], (30, 40), torch.rand(7, 3, 4).half() + 0.1
)


def test_at_their_own_grid_tokens_are_as_they_are():
    assert FEATURES.tokens_like(torch.zeros(2, 3, 4)) is FEATURES.patch_tokens


def test_at_another_grid_they_are_interpolated():
    finer = FEATURES.tokens_like(torch.zeros(2, 6, 8))
    assert finer.shape == (5, 6, 8)
    torch.testing.assert_close(finer.mean(dim=(1, 2)), FEATURES.patch_tokens.mean(dim=(1, 2)))


def test_lessons_read_both_blocks_and_each_counts_the_same():
    for grid_hw in ((3, 4), (6, 8)):
        both = FEATURES.lesson_tokens_like(torch.zeros(2, *grid_hw))
        assert both.shape == (5 + 7, *grid_hw)
        for part in (both[:5], both[5:]):
            torch.testing.assert_close(part.norm(dim=0), torch.ones(grid_hw))
