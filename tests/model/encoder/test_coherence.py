"""Outliers and what replaces them, and the average over similar patches."""

import pytest
import torch

from model.encoder.coherence import (
    average_similar,
    find_outliers,
    patch_cosine,
    replace_outliers,
    zero_below,
)
from model.errors import MethodError

GRID_HW = (6, 8)


def smooth_patches(planted=()):
    """Patches (1, P, 4) that all lie near one point, but for the planted ones."""
    patches = 0.1 * torch.randn(1, 48, 4, generator=torch.Generator().manual_seed(0)) + 1
    for index in planted:
        patches[0, index] = torch.tensor([30.0, -20.0, 5.0, 0.0]) * (1 + index / 100)
    return patches


def test_a_planted_outlier_is_found():
    outliers = find_outliers("lof", smooth_patches(planted=[13]), torch.empty(0))
    assert outliers.shape == (1, 48)
    assert outliers[0, 13]


def test_lof_calls_five_percent_of_a_window_outliers_whatever_the_batch():
    batch = torch.cat([smooth_patches([13]), smooth_patches([2, 40])])
    outliers = find_outliers("lof", batch, torch.empty(0))
    assert outliers.sum(dim=1).tolist() == [3, 3]  # 5% of 48, rounded up
    assert outliers[1, 2]
    assert outliers[1, 40]
    assert torch.equal(outliers[1:], find_outliers("lof", batch[1:], torch.empty(0)))


def test_lof_works_on_windows_smaller_than_its_neighborhood():
    assert find_outliers("lof", smooth_patches()[:, :4], torch.empty(0)).shape == (1, 4)


def test_som_takes_patches_the_class_token_sees_more_than_they_see_themselves():
    attention = torch.full((1, 5, 5), 0.1)
    attention[0].fill_diagonal_(0.4)
    attention[0, 0, 3] = 0.3  # times 1.5 is more than 0.4
    attention[0, 0, 2] = 0.26  # times 1.5 is less
    outliers = find_outliers("som", torch.zeros(1, 4, 2), attention)
    assert outliers.tolist() == [[False, False, True, False]]


def test_an_unknown_rule_lists_the_known():
    with pytest.raises(MethodError, match="lof, som"):
        find_outliers("iqr", smooth_patches(), torch.empty(0))


def test_an_outlier_becomes_the_mean_of_its_inlier_neighbors():
    patches = torch.arange(9.0).view(1, 9, 1).repeat(1, 1, 2)
    patches[0, 4] = 1000.0
    outliers = torch.zeros(1, 9, dtype=torch.bool)
    outliers[0, [4, 0]] = True
    replaced = replace_outliers(patches, outliers, (3, 3))
    assert replaced[0, 4].tolist() == pytest.approx([(1 + 2 + 3 + 5 + 6 + 7 + 8) / 7] * 2)
    assert replaced[0, 0].tolist() == pytest.approx([(1 + 3) / 2] * 2)  # a corner, 4 is an outlier
    inlier = ~outliers[0]
    assert torch.equal(replaced[0, inlier], patches[0, inlier])


def test_an_outlier_among_outliers_stays_and_nothing_becomes_nan():
    patches = torch.randn(1, 9, 2)
    assert torch.equal(
        replace_outliers(patches, torch.ones(1, 9, dtype=torch.bool), (3, 3)), patches
    )


def test_similar_patches_are_averaged_and_others_stay():
    patches = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]]])
    averaged = average_similar(patches, zero_below(patch_cosine(patches), 0.4))
    expected = torch.tensor([[[2.0, 0.0], [2.0, 0.0], [0.0, 2.0]]])
    torch.testing.assert_close(averaged, expected, atol=1e-5, rtol=0)
