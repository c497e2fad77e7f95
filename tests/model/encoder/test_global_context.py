"""Global context: which blocks, and what they add."""

import torch

from model.encoder.attention import Heads, attention_weights
from model.encoder.global_context import (
    ContextAttention,
    ContextConfig,
    context_attention,
    emerging_blocks,
)

CONFIG = ContextConfig(share=0.25)


def heads(seed):
    generator = torch.Generator().manual_seed(seed)
    return Heads(*(torch.randn(2, 3, 5, 4, generator=generator) for _ in range(3)))


def test_fused_weights_are_the_shares_of_own_and_mean_context():
    own = attention_weights("kk", heads(0))
    blocks = [heads(1), heads(2)]
    mean = sum(attention_weights("qk", one) for one in blocks) / 2
    context = context_attention(blocks, CONFIG, attend_class=True)
    torch.testing.assert_close(context.fuse(own, context.weights), 0.75 * own + 0.25 * mean)


def test_without_context_blocks_there_is_no_context():
    assert context_attention([], CONFIG, attend_class=True) is None


def test_a_share_of_0_leaves_the_weights_and_one_of_1_replaces_them():
    own, other = torch.rand(1, 1, 2, 2), torch.rand(1, 1, 2, 2)
    assert torch.equal(ContextAttention(other, 0.0).fuse(own, other), own)
    assert torch.equal(ContextAttention(other, 1.0).fuse(own, other), other)


def test_context_without_the_class_token_fits_patches():
    context = context_attention([heads(1)], CONFIG, attend_class=False)
    expected = attention_weights("qk", heads(1))[..., 1:, 1:]
    torch.testing.assert_close(context.weights, expected)


def test_the_context_is_the_block_where_global_tokens_emerge_and_the_next():
    assert emerging_blocks(7, n_blocks=12) == (7, 8)


def test_the_last_block_is_never_its_own_context():
    assert emerging_blocks(11, n_blocks=12) == (11,)
