"""What is measured on a tower."""

import pytest
import synthetic
import torch
from open_clip.transformer import QuickGELU, VisionTransformer
from torch import nn

from model.encoder.tower_traits import mean_patch_cosine, measure_traits


@pytest.mark.parametrize("planted", [4, 9])
def test_the_block_where_global_tokens_emerge_is_found(planted):
    visual = synthetic.synthetic_tower()
    # One position is massive in channel 0; from the planted block on, all queries match it.
    visual.positional_embedding[:, 0] = 0
    visual.positional_embedding[6, 0] = 50
    for number, block in enumerate(visual.transformer.resblocks, start=1):
        block.attn.in_proj_weight[:256] = 0
        block.attn.in_proj_bias[:256] = 0
        if number >= planted:
            block.attn.in_proj_bias[:128] = 10.0
            block.attn.in_proj_weight[128:256, 0] = 1.0
    traits = measure_traits(visual)
    assert (traits.has_global_tokens, traits.global_block) == (True, planted)


def test_without_global_tokens_the_middle_of_the_tower_stands_for_them():
    visual = synthetic.synthetic_tower()
    for block in visual.transformer.resblocks:  # all attend to all alike
        block.attn.in_proj_weight[:256] = 0
        block.attn.in_proj_bias[:256] = 0
    traits = measure_traits(visual)
    assert (traits.has_global_tokens, traits.global_block) == (False, 7)


def test_the_mean_cosine_is_that_of_all_pairs_of_patches_of_an_image():
    x = torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(0))
    pairs = [
        torch.cosine_similarity(image[a], image[b], dim=0)
        for image in x[:, 1:]
        for a in range(5)
        for b in range(5)
        if a != b
    ]
    assert mean_patch_cosine(x) == pytest.approx(float(torch.stack(pairs).mean()), abs=1e-6)


def test_a_channel_of_massive_activations_is_found():
    visual = synthetic.synthetic_tower()
    visual.transformer.resblocks[3].mlp.c_proj.bias[77] = 500.0
    traits = measure_traits(visual)
    assert traits.largest_channels[0] == 77
    assert traits.n_massive >= 1


@pytest.mark.parametrize(("activation", "is_quick"), [(QuickGELU, True), (nn.GELU, False)])
def test_quickgelu_is_told_from_gelu(activation, is_quick):
    visual = VisionTransformer(32, 8, 64, 3, 1, 2.0, output_dim=16, act_layer=activation)
    with torch.inference_mode():
        assert measure_traits(visual.eval()).quick_gelu == is_quick
