"""A method's encoder for a given tower: what its config leaves to be found on the tower."""

from collections.abc import Callable
from dataclasses import replace

from model.encoder.coherence import CoherenceConfig
from model.encoder.config import EncoderConfig
from model.encoder.depth import at_depth
from model.encoder.global_context import emerging_blocks
from model.encoder.last_block import LastBlockConfig
from model.encoder.published.rf_clip import openai_channels
from model.encoder.tower_traits import TowerTraits

DEEP_BLOCKS = 24  # of ViT-L
TOO_DEEP_BLOCKS = 32  # of ViT-H

# SC-CLIP's gathering (2411.15869): patches attend by what is coherent in a middle block, outliers
# are replaced, middle blocks go through the last one as well.
SC_CLIP_LAST_BLOCK = LastBlockConfig(attention="coherent+kk", attend_class=False, class_share=0.3)
SC_CLIP_COHERENCE = CoherenceConfig(
    outliers="lof",
    block=9,
    smoothing_block=4,
    level_blocks=tuple(range(4, 11)),
    level_attention="coherent+kk",
)


def fit_to_tower(config: EncoderConfig, traits: TowerTraits) -> EncoderConfig:
    """The config with the block numbers and channels of this tower."""
    config = at_depth(config, traits.n_blocks)
    if config.context.emerging:
        blocks = emerging_blocks(traits.global_block, traits.n_blocks)
        config = replace(config, context=replace(config.context, blocks=blocks))
    return replace(config, massive_channels=openai_channels(traits))


def choose_reading(traits: TowerTraits) -> str:
    """How `firstpass` reads the last block of this tower, a name in READINGS.

    Towers trained by their class token alone grow global tokens, and the deep ones more of them. Of
    the published ways SC-CLIP's alone holds its ground on OpenAI's ViT-L/14 (mean of eight sets
    45.2; ResCLIP 39.1, MaskCLIP 13.9: figure of OV-Stitcher), and on its B/16 it is among the best.
    Work on LAION's towers, which compute plain GELU, reads their values (CLIP-DINOiser, LPOSS,
    RNS). A rule of ours from these reports: the weights were not at hand where it was written.
    """
    if traits.n_blocks >= DEEP_BLOCKS:
        return "as SC-CLIP does"
    if traits.has_global_tokens:
        return "as SC-CLIP does" if traits.quick_gelu else "by its values"
    return "as configured"


def describe_tower(traits: TowerTraits) -> str:
    """One line on what was measured on a tower, and how `firstpass` reads it."""
    return f"{traits.describe()}; last block read {choose_reading(traits)}"


def tower_warning(traits: TowerTraits) -> str:
    """What to expect of a tower that no published way of reading suits; "" of others.

    LAION's H/14 reaches 29.1 at most, mean of eight sets, and B/16 44 (figure of Trident).
    """
    if traits.n_blocks < TOO_DEEP_BLOCKS:
        return ""
    return (
        f"The image tower has {traits.n_blocks} blocks. No published way of reading patches works "
        "well on towers of 32 blocks or more: set CLIP_MODEL to a ViT-B-16 or ViT-L-14 for better "
        "masks."
    )


def _gathered(config: EncoderConfig) -> EncoderConfig:
    return replace(
        config,
        block_numbers="sc-clip",
        last_block=SC_CLIP_LAST_BLOCK,
        coherence=SC_CLIP_COHERENCE,
    )


def _values(config: EncoderConfig) -> EncoderConfig:
    return replace(config, last_block=replace(config.last_block, attention="identity"))


READINGS: dict[str, Callable[[EncoderConfig], EncoderConfig]] = {
    "as configured": lambda config: config,
    "as SC-CLIP does": _gathered,
    "by its values": _values,
}
