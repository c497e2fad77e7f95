"""Block numbers of a method for towers of another depth than the published 12 blocks."""

from collections.abc import Callable
from dataclasses import replace

from model.encoder.config import EncoderConfig
from model.errors import unknown_name

PUBLISHED_BLOCKS = 12


def at_depth(config: EncoderConfig, n_blocks: int) -> EncoderConfig:
    """The config with its block numbers for a tower of `n_blocks`."""
    if config.block_numbers not in BLOCK_NUMBERS:
        raise unknown_name("rule of block numbers", config.block_numbers, BLOCK_NUMBERS)
    return BLOCK_NUMBERS[config.block_numbers](config, n_blocks)


def scaled(config: EncoderConfig, n_blocks: int) -> EncoderConfig:
    """Block numbers scaled to the depth, below the last block; 0, which is off, stays."""
    if n_blocks == PUBLISHED_BLOCKS:
        return config

    def at(number: int) -> int:
        if not number:
            return 0
        return min(n_blocks - 1, round((number - 1) * n_blocks / PUBLISHED_BLOCKS) + 1)

    coherence = config.coherence
    levels = coherence.level_blocks
    if levels:
        levels = tuple(range(at(levels[0]), at(levels[-1]) + 1))
    coherence = replace(
        coherence,
        block=at(coherence.block),
        smoothing_block=at(coherence.smoothing_block),
        level_blocks=levels,
    )
    context = replace(config.context, blocks=tuple(map(at, config.context.blocks)))
    return replace(config, coherence=coherence, context=context)


def fixed(config: EncoderConfig, n_blocks: int) -> EncoderConfig:
    """Block numbers as they are, for codes that set them once for all towers; scaled where the
    tower is not as deep."""
    highest = max((*config.coherence.output_blocks, *config.context.blocks), default=0)
    return config if highest < n_blocks else scaled(config, n_blocks)


def as_sc_clip(config: EncoderConfig, n_blocks: int) -> EncoderConfig:
    """SC-CLIP's own numbers for 24 blocks (its issue #5), in the place of those for 12; a method
    that chose others keeps them. Scaled for other depths."""
    if n_blocks != 24:
        return scaled(config, n_blocks)
    coherence, class_share = config.coherence, config.last_block.class_share
    coherence = replace(
        coherence,
        block=17 if coherence.block == 9 else coherence.block,
        smoothing_block=7 if coherence.smoothing_block == 4 else coherence.smoothing_block,
        level_blocks=(
            tuple(range(9, 20))
            if coherence.level_blocks == tuple(range(4, 11))
            else coherence.level_blocks
        ),
    )
    last_block = replace(config.last_block, class_share=0.1 if class_share == 0.3 else class_share)
    return replace(config, coherence=coherence, last_block=last_block)


BLOCK_NUMBERS: dict[str, Callable[[EncoderConfig, int], EncoderConfig]] = {
    "scaled": scaled,
    "fixed": fixed,
    "sc-clip": as_sc_clip,
}
