"""Block numbers for towers of other depths than twelve blocks."""

from dataclasses import replace

import pytest

from model.encoder.config import EncoderConfig
from model.encoder.depth import at_depth
from model.errors import MethodError
from model.methods import METHODS

SC_CLIP = METHODS["sc-clip"].encoder


@pytest.mark.parametrize("n_blocks", [4, 6, 12, 24, 32, 48])
@pytest.mark.parametrize("name", METHODS)
def test_block_numbers_fit_towers_of_any_depth(name, n_blocks):
    config = at_depth(METHODS[name].encoder, n_blocks)
    numbers = {*config.coherence.output_blocks, *config.context.blocks}
    assert all(1 <= number < n_blocks for number in numbers)


def test_published_numbers_of_deep_towers_are_kept():
    deep = at_depth(SC_CLIP, 24)
    assert (deep.coherence.block, deep.coherence.smoothing_block) == (17, 7)
    assert deep.coherence.level_blocks == tuple(range(9, 20))
    assert deep.last_block.class_share == 0.1
    assert at_depth(METHODS["resclip"].encoder, 24).context.blocks == (6, 7, 8, 9)
    own = replace(SC_CLIP, last_block=replace(SC_CLIP.last_block, class_share=0.7))
    assert at_depth(own, 24).last_block.class_share == 0.7


def test_twelve_blocks_change_nothing():
    for method in METHODS.values():
        assert at_depth(method.encoder, 12) == method.encoder


def test_an_unknown_rule_lists_the_known():
    with pytest.raises(MethodError, match="scaled, fixed, sc-clip"):
        at_depth(EncoderConfig(block_numbers="doubled"), 24)
