"""RF-CLIP (2511.16170): distracting tokens calmed after every block, all blocks' attention pooled.

As its released code runs, which is not all of its paper: the code ships with the redistribution of
attention switched off, blends whole tokens with their neighbourhood (not only the loud channels),
and adds the gathering of alike patches.
Shapes: B windows, h, w patches, P = h * w, N = 1 + P tokens (class token first), D channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from model.encoder.attention import ATTENTION, Hints
from model.encoder.coherence import above, cosine
from model.encoder.paths import Tower
from model.encoder.vit import attend, block_heads, embed, run_block
from model.methods import MethodConfig

# Channels in which OpenAI's towers shout, by their width; other towers' are found in the tokens.
LOUD_CHANNELS = {
    768: (4, 162, 189, 326, 429, 474, 633, 713),
    1024: (250, 261, 437, 650, 720, 779, 936, 1005),
}
DISTRACTION = 5.0  # times an even share of the token
BLEND = 0.4  # of the neighbourhood in a distracting token


def refocused_path(tower: Tower, pixels: Tensor, method: MethodConfig) -> tuple[Tensor, Tensor]:
    """Patches (B, P, D) before the final norm, and the tokens before the last block (B, N, D)."""
    grid_hw = pixels.shape[2] // tower.visual.patch_size[0], -1
    blocks = tower.visual.transformer.resblocks
    x = embed(tower.visual, pixels, method)
    before_last, guide, maps = x, torch.zeros_like(x), x.new_zeros(())
    for block in blocks:
        before_last = x
        heads = block_heads(block, x, method)
        if block is not blocks[-1]:
            maps = maps + ATTENTION["kk"](heads, Hints())[:, :, 1:, 1:]
        x = calm(run_block(block, x, method, heads=heads), grid_hw)
        guide = guide + x / len(blocks)

    answers = []
    for tokens in (before_last, guide):
        alike = above(cosine(guide[:, 1:]), method.alike_above)
        gathered = torch.cat([tokens[:, :1], alike @ tokens[:, 1:]], dim=1)
        heads = block_heads(blocks[-1], gathered, method)
        own = ATTENTION["kk"](heads, Hints())[:, :, 1:, 1:]
        weights = (maps + own) / len(blocks)
        answers.append(attend(blocks[-1], heads.without_class(), weights))
    return (answers[0] + answers[1]) / 2, before_last


def calm(x: Tensor, grid_hw: tuple[int, int]) -> Tensor:
    """Blend distracting patches of x (B, N, D) with their 3x3 neighbourhood."""
    patches = x[:, 1:]
    lifted = patches - patches.amin(dim=-1, keepdim=True)
    share = lifted / lifted.sum(dim=-1, keepdim=True).clamp_min(1e-8)  # of each channel
    loudest = _loud_channels(share)
    distracting = share.gather(2, loudest).amax(dim=2) > DISTRACTION / x.shape[-1]  # (B, P)

    maps = patches.transpose(1, 2).unflatten(2, grid_hw)
    neighbourhood = F.avg_pool2d(maps, 3, 1, 1).flatten(2).transpose(1, 2)
    calmed = torch.where(
        distracting[:, :, None], (1 - BLEND) * patches + BLEND * neighbourhood, patches
    )
    return torch.cat([x[:, :1], calmed], dim=1)


def _loud_channels(share: Tensor) -> Tensor:
    """Indices (B, P, 8) of the loud channels; for unknown towers those of the window's mean."""
    width = share.shape[-1]
    if width in LOUD_CHANNELS:
        index = torch.tensor(LOUD_CHANNELS[width], device=share.device).expand(len(share), -1)
    else:
        index = share.mean(dim=1).topk(min(8, width), dim=1).indices
    return index[:, None].expand(-1, share.shape[1], -1)
