"""A method's encoder for a given tower: what its config leaves to be found on the tower."""

from dataclasses import replace

from model.encoder.config import EncoderConfig
from model.encoder.depth import at_depth
from model.encoder.global_context import emerging_blocks
from model.encoder.published.rf_clip import openai_channels
from model.encoder.tower_traits import TowerTraits


def fit_to_tower(config: EncoderConfig, traits: TowerTraits) -> EncoderConfig:
    """The config with the block numbers and channels of this tower."""
    config = at_depth(config, traits.n_blocks)
    if config.context.emerging:
        blocks = emerging_blocks(traits.global_block, traits.n_blocks)
        config = replace(config, context=replace(config.context, blocks=blocks))
    return replace(config, massive_channels=openai_channels(traits))
