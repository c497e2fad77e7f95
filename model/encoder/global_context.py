"""Global context: attention maps of middle blocks fused into the last one.

After GCLIP (2502.06818): from some middle block on, a few "global tokens" are attended to by all
patches. The attention of the blocks where they emerge carries the context of the image without
being homogeneous yet, so it is averaged into that of the last block.
Shapes: B windows, N tokens. Blocks are numbered 1 to L.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from model.encoder.attention import Heads, attention_weights


@dataclass(frozen=True)
class ContextConfig:
    """Which blocks' attention is fused into the last one, and how much of it."""

    blocks: tuple[int, ...] = ()
    emerging: bool = False  # instead: the block where global tokens emerge, and the next
    attention: str = "qk"  # names in ATTENTION, joined by "+"
    share: float = 0.0  # 0..1, of the fused weights


@dataclass(frozen=True, eq=False)
class ContextAttention:
    """Attention weights of the context blocks, and their share in the fused ones."""

    weights: Tensor  # (B, heads, N, N)
    share: float

    def fuse(self, own: Tensor, context: Tensor) -> Tensor:
        """(1 - share) * own + share * context, for weights or for attended values."""
        return (1 - self.share) * own + self.share * context


def context_attention(
    context: Sequence[Heads], config: ContextConfig, *, attend_class: bool
) -> ContextAttention | None:
    """The mean attention of the context blocks' heads; None if there are none.

    Without `attend_class` the last block runs on patches alone, and so do these weights.
    """
    if not context:
        return None
    total = attention_weights(config.attention, context[0])
    for heads in context[1:]:
        total = total + attention_weights(config.attention, heads)
    weights = total / len(context)
    return ContextAttention(weights if attend_class else weights[..., 1:, 1:], config.share)


def emerging_blocks(global_block: int, n_blocks: int) -> tuple[int, ...]:
    """The block where global tokens emerge and the next one, never the last."""
    return tuple(block for block in (global_block, global_block + 1) if block < n_blocks)
