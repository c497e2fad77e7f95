"""Global context: which blocks, what they add, and which channels are too loud."""

from dataclasses import replace

import pytest
import synthetic
import torch

from model.encoder.attention import Heads, Hints, attention_weights
from model.encoder.global_context import (
    LoudChannel,
    channel_gains,
    context_blocks,
    find_global_block,
    fuse_context,
    loud_channels,
)
from model.encoder.vit import feed_forward
from model.methods import METHODS, MethodConfig

SUPPRESSING = replace(METHODS["naclip"], suppress_channels=True)
METHOD = MethodConfig("test", context_share=0.25)


def heads(seed):
    generator = torch.Generator().manual_seed(seed)
    return Heads(*(torch.randn(2, 3, 5, 4, generator=generator) for _ in range(3)))


def test_fused_weights_are_the_shares_of_own_and_mean_context():
    own = attention_weights("kk", heads(0), Hints())
    context = [heads(1), heads(2)]
    shared = sum(attention_weights("qk", one, Hints()) for one in context) / 2
    torch.testing.assert_close(fuse_context(own, context, METHOD), 0.75 * own + 0.25 * shared)


def test_without_context_blocks_the_weights_stay():
    own = torch.rand(1, 1, 2, 2)
    assert fuse_context(own, [], METHOD) is own


def test_one_map_for_all_heads_is_their_mean():
    own = torch.zeros(2, 3, 5, 5)
    fused = fuse_context(own, [heads(1)], replace(METHOD, context_head_mean=True))
    each = fuse_context(own, [heads(1)], METHOD)
    torch.testing.assert_close(fused, each.mean(dim=1, keepdim=True).expand_as(each))


def test_context_without_the_class_token_fits_patches():
    own = torch.zeros(2, 3, 4, 4)
    method = replace(METHOD, attend_class=False)
    each = attention_weights("qk", heads(1), Hints())[..., 1:, 1:]
    torch.testing.assert_close(fuse_context(own, [heads(1)], method), 0.25 * each)


@pytest.mark.parametrize(
    ("chosen", "blocks"), [("emerging", (7, 8)), ("all", tuple(range(1, 12))), ((3, 5), (3, 5))]
)
def test_context_blocks_by_name_or_number(chosen, blocks):
    assert context_blocks(replace(METHOD, context_blocks=chosen), 12, global_block=7) == blocks


def test_the_last_block_is_never_its_own_context():
    emerging = replace(METHOD, context_blocks="emerging")
    assert context_blocks(emerging, 12, global_block=11) == (11,)


@pytest.mark.parametrize("planted", [4, 9])
def test_the_block_where_global_tokens_emerge_is_found(planted):
    visual = synthetic.synthetic_tower()
    # One position shouts in channel 0; from the planted block on, all queries look for that.
    visual.positional_embedding[:, 0] = 0
    visual.positional_embedding[6, 0] = 50
    for number, block in enumerate(visual.transformer.resblocks, start=1):
        block.attn.in_proj_weight[:256] = 0
        block.attn.in_proj_bias[:256] = 0
        if number >= planted:
            block.attn.in_proj_bias[:128] = 10.0
            block.attn.in_proj_weight[128:256, 0] = 1.0
    assert find_global_block(visual) == planted


def test_a_planted_loud_channel_is_reported_and_turned_down():
    visual = synthetic.synthetic_tower()
    block = visual.transformer.resblocks[8]
    block.mlp.c_proj.weight[5] *= 10
    loud = loud_channels(visual)[8]
    assert (loud.block, loud.channel) == (9, 5)
    assert 8 < loud.ratio < 12

    gains = channel_gains(loud_channels(visual), SUPPRESSING, 7, synthetic.WIDTH)
    assert set(gains) == {9}
    x = torch.randn(1, 4, synthetic.WIDTH, generator=torch.Generator().manual_seed(0))
    quiet = feed_forward(block, x, METHOD, gains[9])
    block.mlp.c_proj.weight[5] /= loud.ratio
    torch.testing.assert_close(quiet, feed_forward(block, x, METHOD))


def test_channels_before_global_tokens_emerge_are_left_alone():
    loudest = [LoudChannel(block, channel=0, ratio=5.0) for block in range(1, 13)]
    gains = channel_gains(loudest, SUPPRESSING, global_block=10, width=8)
    assert set(gains) == {11, 12}
    assert channel_gains(loudest, METHODS["naclip"], global_block=10, width=8) == {}
