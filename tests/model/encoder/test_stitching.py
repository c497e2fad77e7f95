"""Windows of one image that share their keys and values."""

import pytest
import torch

from model.encoder.attention import AttentionExtras, Heads, attention_weights, gaussian_bias
from model.encoder.stitching import WindowGroup, image_bias, stitched_values
from model.errors import MethodError

GRID_HW = (2, 2)
OFF, NEAR = 0.0, 2.0  # std of the Gaussian bias


def heads(windows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Heads(*(torch.randn(windows, 2, 5, 4, generator=generator) for _ in range(3)))


@pytest.mark.parametrize("std", [OFF, NEAR])
@pytest.mark.parametrize("attention", ["kk", "qq+kk", "qk"])
def test_a_window_alone_attends_as_without_stitching(std, attention):
    one = heads(1)
    bias = gaussian_bias(GRID_HW, std) if std else None
    expected = attention_weights(attention, one, AttentionExtras(bias)) @ one.v
    groups = [WindowGroup(slice(0, 1), ((4, 6),), GRID_HW)]
    torch.testing.assert_close(stitched_values(one, groups, attention, std), expected)


def test_two_windows_attend_to_the_patches_of_both_and_their_own_class_token():
    two = heads(2)
    group = WindowGroup(slice(0, 2), ((0, 0), (0, 2)), GRID_HW)
    values = stitched_values(two, [group], "kk", OFF)
    keys = torch.cat([two.k[0, 1, :1], two.k[0, 1, 1:], two.k[1, 1, 1:]])  # window 0, head 1
    pool = torch.cat([two.v[0, 1, :1], two.v[0, 1, 1:], two.v[1, 1, 1:]])
    expected = (two.k[0, 1] @ keys.T / 2).softmax(dim=1) @ pool
    torch.testing.assert_close(values[0, 1], expected)


def test_groups_share_nothing_with_each_other():
    three = heads(3)
    groups = [
        WindowGroup(slice(0, 1), ((0, 0),), GRID_HW),
        WindowGroup(slice(1, 3), ((0, 0), (0, 2)), GRID_HW),
    ]
    together = stitched_values(three, groups, "kk", NEAR)
    alone = Heads(three.q[:1], three.k[:1], three.v[:1])
    expected = stitched_values(alone, groups[:1], "kk", NEAR)
    torch.testing.assert_close(together[:1], expected)


def test_the_bias_measures_distance_in_the_image():
    group = WindowGroup(slice(0, 2), ((0, 0), (0, 3)), (1, 2))
    bias = image_bias(group, std=1.0)  # columns 0, 1 and 3, 4
    assert bias.shape == (2, 3, 5)
    distances = torch.tensor([0.0, 1.0, 3.0, 4.0])
    torch.testing.assert_close(bias[0, 1, 1:], torch.exp(-(distances**2) / 2))
    assert bias[:, 0].abs().max() == bias[:, :, 0].abs().max() == 0


def test_attention_that_cannot_be_shared_is_named():
    with pytest.raises(MethodError, match=r"'procrustes' cannot be shared.*qk, qq, kk, vv"):
        stitched_values(heads(1), [], "procrustes", OFF)
