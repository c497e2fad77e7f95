"""Windows of one image that see each other."""

import pytest
import torch

from model.encoder.attention import Heads, Hints, attention_weights, neighbour_bias
from model.encoder.stitching import Chunk, image_bias, stitched_values
from model.errors import MethodError
from model.methods import MethodConfig

PLAIN = MethodConfig("test")
NEAR = MethodConfig("test", gaussian_std=2.0)


def heads(windows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Heads(*(torch.randn(windows, 2, 5, 4, generator=generator) for _ in range(3)))


@pytest.mark.parametrize("method", [PLAIN, NEAR])
@pytest.mark.parametrize("attention", ["kk", "qq+kk", "qk"])
def test_a_window_alone_attends_as_without_stitching(method, attention):
    one = heads(1)
    bias = neighbour_bias((2, 2), 2.0) if method.gaussian_std else None
    expected = attention_weights(attention, one, Hints(bias)) @ one.v
    chunks = [Chunk(slice(0, 1), ((4, 6),))]
    torch.testing.assert_close(stitched_values(one, chunks, (2, 2), attention, method), expected)


def test_two_windows_attend_to_the_patches_of_both_and_their_own_class_token():
    two = heads(2)
    values = stitched_values(two, [Chunk(slice(0, 2), ((0, 0), (0, 2)))], (2, 2), "kk", PLAIN)
    keys = torch.cat([two.k[0, 1, :1], two.k[0, 1, 1:], two.k[1, 1, 1:]])  # window 0, head 1
    pool = torch.cat([two.v[0, 1, :1], two.v[0, 1, 1:], two.v[1, 1, 1:]])
    expected = (two.k[0, 1] @ keys.T / 2).softmax(dim=1) @ pool
    torch.testing.assert_close(values[0, 1], expected)


def test_chunks_do_not_see_each_other():
    three = heads(3)
    chunks = [Chunk(slice(0, 1), ((0, 0),)), Chunk(slice(1, 3), ((0, 0), (0, 2)))]
    together = stitched_values(three, chunks, (2, 2), "kk", NEAR)
    alone = Heads(three.q[:1], three.k[:1], three.v[:1])
    expected = stitched_values(alone, chunks[:1], (2, 2), "kk", NEAR)
    torch.testing.assert_close(together[:1], expected)


def test_the_bias_measures_distance_in_the_image():
    bias = image_bias(((0, 0), (0, 3)), (1, 2), std=1.0)  # columns 0, 1 and 3, 4
    assert bias.shape == (2, 3, 5)
    distances = torch.tensor([0.0, 1.0, 3.0, 4.0])
    torch.testing.assert_close(bias[0, 1, 1:], torch.exp(-(distances**2) / 2))
    assert bias[:, 0].abs().max() == bias[:, :, 0].abs().max() == 0


def test_attention_that_cannot_be_shared_is_named():
    with pytest.raises(MethodError, match=r"'procrustes' cannot be shared.*qk, qq, kk, vv"):
        stitched_values(heads(1), [], (2, 2), "procrustes", PLAIN)
