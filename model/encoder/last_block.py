"""The last block with another attention, so that its output describes each patch.

Shapes: B windows, P patches, N = 1 + P tokens (class token first), D channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from model.encoder.attention import AttentionExtras, attention_weights, gaussian_bias
from model.encoder.global_context import ContextAttention
from model.encoder.stitching import WindowGroup, stitched_values
from model.encoder.tower import Tower


@dataclass(frozen=True)
class LastBlockConfig:
    """Residual and feed-forward part carry what is common to all patches; without them (ClearCLIP,
    2407.12442) the output describes the patch itself."""

    attention: str = "kk"  # names in ATTENTION, joined by "+"
    attention_gain: float = 1.0  # of the attention's output; matters only beside a residual
    attend_class: bool = True  # patches may attend to the class token
    gaussian_std: float = 0.0  # patches; neighbors favored in the attention logits; 0: off
    kk_share: float = 0.0  # of key-key logits in "procrustes"
    residual: bool = False  # keep the residual connection
    ffn: bool = False  # keep the feed-forward part
    class_share: float = 0.0  # of the class token, added to each patch
    stitch: bool = False  # the windows of an image share their keys and values

    def bias(self, grid_hw: tuple[int, int], like: Tensor) -> Tensor | None:
        """The Gaussian bias of the attention logits, (N, N) or (P, P); None where it is off."""
        if not self.gaussian_std:
            return None
        bias = gaussian_bias(grid_hw, self.gaussian_std).to(like)
        return bias if self.attend_class else bias[1:, 1:]


def last_block(
    tower: Tower,
    x: Tensor,
    config: LastBlockConfig,
    extras: AttentionExtras,
    *,
    context: ContextAttention | None = None,
    groups: Sequence[WindowGroup] = (),
) -> Tensor:
    """Patches (B, P, D) of the last block, for the tokens x (B, N, D) before it."""
    number = tower.n_blocks
    heads = tower.block_heads(number, x)
    if not config.attend_class:
        heads = heads.without_class()
    if groups and config.stitch:
        values = stitched_values(heads, groups, config.attention, config.gaussian_std)
        if context is not None:
            values = context.fuse(values, context.weights @ heads.v)
        attended = tower.merge(number, values * config.attention_gain)
    else:
        weights = attention_weights(config.attention, heads, extras)
        if context is not None:
            weights = context.fuse(weights, context.weights)
        attended = tower.attend(number, heads, weights * config.attention_gain)
    patches = attended[:, 1:] if config.attend_class else attended
    if config.residual:
        patches = patches + x[:, 1:]
    if config.ffn:
        patches = patches + tower.feed_forward(number, patches)
    return patches + config.class_share * x[:, :1]
