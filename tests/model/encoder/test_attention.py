"""Attention variants on cases small enough to compute by hand."""

import math

import pytest
import torch
from torch import nn

from model.encoder.attention import (
    ATTENTION,
    AttentionExtras,
    Heads,
    attention_weights,
    gaussian_bias,
    merge_heads,
    polar_factor,
    split_heads,
)
from model.errors import MethodError


def two_tokens(q, k, v):
    """Heads (1, 1, 2, 1): one window, one head, two tokens, one channel (so the scale is 1)."""
    return Heads(*(torch.tensor(part, dtype=torch.float32).view(1, 1, 2, 1) for part in (q, k, v)))


def softmax(*logits):
    total = sum(math.exp(logit) for logit in logits)
    return [math.exp(logit) / total for logit in logits]


HEADS = two_tokens(q=[1.0, 2.0], k=[0.5, -1.0], v=[3.0, 0.0])


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("qk", [softmax(0.5, -1.0), softmax(1.0, -2.0)]),
        ("qq", [softmax(1.0, 2.0), softmax(2.0, 4.0)]),
        ("kk", [softmax(0.25, -0.5), softmax(-0.5, 1.0)]),
        ("vv", [softmax(9.0, 0.0), softmax(0.0, 0.0)]),
        ("identity", [[1.0, 0.0], [0.0, 1.0]]),
    ],
)
def test_two_tokens_attend_as_computed_by_hand(name, rows):
    weights = attention_weights(name, HEADS)
    torch.testing.assert_close(weights[0, 0], torch.tensor(rows))


def test_joined_names_are_the_mean_of_their_parts():
    both = attention_weights("qq+kk", HEADS)
    parts = [attention_weights(name, HEADS) for name in ("qq", "kk")]
    torch.testing.assert_close(both, (parts[0] + parts[1]) / 2)


def test_an_unknown_name_lists_the_known():
    with pytest.raises(MethodError, match=r"'kq'.*qk, qq, kk"):
        attention_weights("qq+kq", HEADS)


def test_the_bias_is_a_gaussian_of_the_distance_and_nothing_for_the_class_token():
    bias = gaussian_bias((1, 3), std=2.0)
    near, far = math.exp(-1 / 8), math.exp(-4 / 8)
    expected = [[0, 0, 0, 0], [0, 1, near, far], [0, near, 1, near], [0, far, near, 1]]
    torch.testing.assert_close(bias, torch.tensor(expected))


def test_bias_moves_attention_to_the_neighbor():
    pushed = attention_weights(
        "kk", HEADS, AttentionExtras(bias=torch.tensor([[0.0, 5.0], [0.0, 0.0]]))
    )
    assert pushed[0, 0, 0].tolist() == pytest.approx(softmax(0.25, 4.5))


def test_coherent_attention_sees_only_patches_more_similar_than_average():
    cosine = torch.tensor([[[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]]])
    heads = Heads(*(torch.zeros(1, 2, 3, 4) for _ in range(3)))
    weights = ATTENTION["coherent"](heads, AttentionExtras(patch_cosine=cosine))
    assert weights.shape == (1, 2, 3, 3)
    assert weights[0, 0, 2].tolist() == [0.0, 0.0, 1.0]
    assert weights[0, 0, 0].tolist() == pytest.approx([*softmax(3.0, 2.7), 0.0], abs=1e-6)


def test_coherent_attention_without_a_middle_block_is_refused():
    with pytest.raises(ValueError, match="middle block"):
        attention_weights("coherent", HEADS)


def test_coherent_attention_beside_the_class_token_is_refused():
    with pytest.raises(MethodError, match="attend_class=False"):
        attention_weights("coherent", HEADS, AttentionExtras(patch_cosine=torch.eye(1)[None]))


def test_procrustes_brings_rotated_keys_back_to_the_queries():
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(1, 1, 20, 4, generator=generator)
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=generator)).Q
    heads = Heads(q, q @ rotation, q)
    wanted = attention_weights("qq", heads)
    aligned, as_they_are = (attention_weights(name, heads) for name in ("procrustes", "qk"))
    assert (aligned - wanted).abs().mean() < 0.25 * (as_they_are - wanted).abs().mean()


def test_newton_schulz_reaches_the_polar_factor_with_enough_steps():
    matrix = torch.randn(3, 5, 5, generator=torch.Generator().manual_seed(1))
    u, _, v = torch.linalg.svd(matrix)
    polar = u @ v
    torch.testing.assert_close(polar_factor(matrix, steps=40), polar, atol=1e-2, rtol=0)
    five = polar_factor(matrix)
    assert (five - polar).abs().max() > 0.01  # as published: not converged


def test_heads_split_and_merge_as_torch_does():
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    x = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(2))
    heads = split_heads(layer, x)
    ours = merge_heads(layer, attention_weights("qk", heads) @ heads.v)
    torch.testing.assert_close(ours, layer(x, x, x, need_weights=False)[0])
