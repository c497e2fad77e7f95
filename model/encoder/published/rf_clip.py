"""RF-CLIP (2511.16170): distractor patches denoised after every block, all blocks' attention
pooled.

As its released code runs, which is not all of its paper: the code ships with the redistribution of
attention switched off, blends whole tokens with their neighborhood (not only the channels of
massive activations), and adds the averaging of similar patches.
Shapes: B windows, h, w patches, P = h * w, N = 1 + P tokens (class token first), D channels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from model.encoder.attention import attention_weights
from model.encoder.coherence import patch_cosine, zero_below
from model.encoder.tower import PathOutput, Tower
from model.encoder.tower_traits import TowerTraits

# Channels of massive activations in OpenAI's towers, by their width, as the released code names
# them; for other towers they are found in the tokens.
OPENAI_CHANNELS = {
    768: (4, 162, 189, 326, 429, 474, 633, 713),
    1024: (250, 261, 437, 650, 720, 779, 936, 1005),
}
MAX_CHANNEL_SHARE = 5.0  # times 1 / D: a patch above it in a massive channel is a distractor
NEIGHBORHOOD_SHARE = 0.4  # of the 3x3 mean in a denoised patch
MIN_COSINE = 0.4  # of patches that are averaged


def rf_clip_path(tower: Tower, pixels: Tensor, massive_channels: Sequence[int]) -> PathOutput:
    """The patches that attend by all blocks' pooled attention."""
    grid_hw, last = tower.grid_hw(pixels), tower.n_blocks
    x = tower.embed(pixels)
    before_last, middle, block_mean, maps = x, x, torch.zeros_like(x), x.new_zeros(())
    for number in range(1, last + 1):
        before_last = x
        heads = tower.block_heads(number, x)
        if number < last:
            maps = maps + attention_weights("kk", heads)[:, :, 1:, 1:]
        x = denoise(tower.run_block(number, x, heads), grid_hw, massive_channels)
        block_mean = block_mean + x / last
        if number == tower.middle_block:
            middle = x

    outputs = []
    for tokens in (before_last, block_mean):
        similar = zero_below(patch_cosine(block_mean[:, 1:]), MIN_COSINE)
        averaged = torch.cat([tokens[:, :1], similar @ tokens[:, 1:]], dim=1)
        heads = tower.block_heads(last, averaged)
        own = attention_weights("kk", heads)[:, :, 1:, 1:]
        weights = (maps + own) / last
        outputs.append(tower.attend(last, heads.without_class(), weights))
    return PathOutput((outputs[0] + outputs[1]) / 2, before_last, middle)


def denoise(x: Tensor, grid_hw: tuple[int, int], massive_channels: Sequence[int]) -> Tensor:
    """Tokens x (B, N, D) with distractor patches blended with their 3x3 mean.

    A patch is a distractor where a massive channel holds more than MAX_CHANNEL_SHARE / D of its
    activations, shifted to be at least 0.
    """
    patches = x[:, 1:]
    shifted = patches - patches.amin(dim=-1, keepdim=True)
    share = shifted / shifted.sum(dim=-1, keepdim=True).clamp_min(1e-8)  # of each channel
    massive = share.gather(2, _channel_index(share, massive_channels)).amax(dim=2)
    is_distractor = massive > MAX_CHANNEL_SHARE / x.shape[-1]  # (B, P)

    maps = patches.transpose(1, 2).unflatten(2, grid_hw)
    mean = F.avg_pool2d(maps, 3, 1, 1).flatten(2).transpose(1, 2)
    blended = (1 - NEIGHBORHOOD_SHARE) * patches + NEIGHBORHOOD_SHARE * mean
    return torch.cat([x[:, :1], torch.where(is_distractor[:, :, None], blended, patches)], dim=1)


def _channel_index(share: Tensor, channels: Sequence[int]) -> Tensor:
    """Indices (B, P, 8) of the massive channels; without any, those of the window's largest
    shares."""
    if channels:
        index = torch.tensor(list(channels), device=share.device).expand(len(share), -1)
    else:
        index = share.mean(dim=1).topk(min(8, share.shape[-1]), dim=1).indices
    return index[:, None].expand(-1, share.shape[1], -1)


def openai_channels(traits: TowerTraits) -> tuple[int, ...]:
    """The published channels if this is a tower of OpenAI's, else none.

    Other checkpoints have towers of the same widths with other channels. OpenAI's are recognized
    by half of the published channels or more among the tower's LARGEST_CHANNELS; of another
    tower's channels 1 in 24 is.
    """
    published = OPENAI_CHANNELS.get(traits.width, ())
    seen = set(published) & set(traits.largest_channels)
    return published if 2 * len(seen) >= len(published) else ()
