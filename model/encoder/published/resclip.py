"""ResCLIP's feedback (2411.15851): a first answer in words tells patches who is like them.

Needs the text embeds while the image is encoded, so its features belong to one vocabulary.
Shapes: R rows of text, E joint channels, H, W pixels, h, w patches, P = h * w.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from model.encoder.attention import Hints
from model.encoder.paths import Tower, last_block, neighbour_hint, run_trunk
from model.encoder.vit import project
from model.methods import MethodConfig
from model.scoring.class_probs import automatic_scale

DILATIONS = (8, 16)  # pixels
ITERATIONS = 10
PAIRS_AT_ONCE = 2**18  # of patches whose connecting line is walked together


def feedback_path(
    tower: Tower, pixels: Tensor, method: MethodConfig, text_embeds: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Patches (B, P, D) after feedback from each window's text embeds (R, E), and (B, N, D)."""
    trace = run_trunk(tower, pixels, method)
    x = trace.outputs[tower.n_blocks - 1]
    neighbours = neighbour_hint(trace.grid_hw, x, method)
    first = last_block(tower, x, trace, method, method.attention, Hints(neighbours))
    first = project(tower.visual, first, method).transpose(1, 2).unflatten(2, trace.grid_hw)
    with torch.autocast(x.device.type, enabled=False):  # the answer is float32 whatever x is
        affinity = torch.stack(
            [
                feedback_map(tokens, window, texts.to(tokens), method)
                for tokens, window, texts in zip(first, pixels, text_embeds, strict=True)
            ]
        )[:, None]  # (B, 1, N, N)
    bias = method.feedback_gain * (method.feedback_share * affinity).to(x)  # half until here
    hints = Hints(
        bias if neighbours is None else bias + neighbours,
        sharpness=method.feedback_gain * (1 - method.feedback_share),
    )
    return last_block(tower, x, trace, method, method.attention, hints), x


def feedback_map(
    patch_tokens: Tensor, pixels: Tensor, text_embeds: Tensor, method: MethodConfig
) -> Tensor:
    """How much patches (E, h, w) of one window share a first answer, (1 + P, 1 + P), at most 1."""
    logits = torch.einsum("re,ehw->rhw", text_embeds, patch_tokens)[None]
    logits = F.interpolate(logits, size=pixels.shape[1:], mode="bilinear")
    logits = adapt_to_pixels(logits, pixels[None])
    scale = automatic_scale(logits[0]) if method.logit_scale is None else method.logit_scale
    probs = (logits[0] * scale).softmax(dim=0)  # (R, H, W)
    best = probs.max(dim=0)
    answer = best.indices.masked_fill(best.values < method.feedback_above, 0)
    grid_hw = (patch_tokens.shape[1], patch_tokens.shape[2])
    return shared_answers(majority(answer, grid_hw), method.gaussian_std)


def majority(answer: Tensor, grid_hw: tuple[int, int]) -> Tensor:
    """The most frequent answer of each patch, (h, w), from (H, W)."""
    height, width = answer.shape[0] // grid_hw[0], answer.shape[1] // grid_hw[1]
    patches = answer.unfold(0, height, height).unfold(1, width, width)
    return patches.flatten(2).mode(dim=2).values


def shared_answers(answer: Tensor, blur_std: float) -> Tensor:
    """Affinity (1 + P, 1 + P) of patches by their answers (h, w).

    1 for the same answer; less with distance where the line between two patches leaves it. Rows
    are blurred along the flat index, as published, and normalised; the class token shares nothing.
    """
    height, width = answer.shape
    places = torch.cartesian_prod(
        torch.arange(height, device=answer.device), torch.arange(width, device=answer.device)
    )  # (P, 2)
    flat = answer.flatten()
    same = (flat[:, None] == flat).float()
    steps = (places[:, None] - places).abs().amax(dim=2)  # (P, P)
    longest = int(steps.max())
    connected = torch.cat(
        [
            _connected(rows, places, answer, longest)
            for rows in places.split(max(1, PAIRS_AT_ONCE // (len(flat) * (longest + 1))))
        ]
    )
    affinity = torch.where(connected, same, same * torch.exp(-steps / max(1, longest)))

    size = min(len(flat), int(6 * blur_std + 1))
    size += 1 - size % 2
    offset = torch.arange(size, device=answer.device) - size // 2
    kernel = torch.exp(-(offset**2) / (2 * blur_std**2))
    kernel = (kernel / kernel.sum()).view(1, 1, -1)
    affinity = F.conv1d(affinity[:, None], kernel, padding=size // 2)[:, 0].relu()
    affinity = affinity / (affinity.sum(dim=1, keepdim=True) + 1e-8)
    return F.pad((affinity / affinity.max()).half(), (1, 0, 1, 0))  # as published


def _connected(rows: Tensor, places: Tensor, answer: Tensor, longest: int) -> Tensor:
    """Whether the line from each of the rows (p, 2) to each place (P, 2) keeps its answer, (p, P).

    As published: all lines are cut into as many steps as the longest, but a pair walks only as
    many of them as it is far apart, so only the first part of short lines is looked at.
    """
    walk = torch.linspace(0, 1, longest + 1, device=rows.device)
    start, end = rows[:, None, None], places[None, :, None]  # (p, 1, 1, 2), (1, P, 1, 2)
    line = (start * (1 - walk[:, None]) + end * walk[:, None]).round().long()  # (p, P, s, 2)
    kept = answer[line[..., 0], line[..., 1]] == answer[rows[:, 0], rows[:, 1]][:, None, None]
    steps = (rows[:, None] - places).abs().amax(dim=2)
    beyond = torch.arange(longest + 1, device=rows.device) > steps[:, :, None]
    return (kept | beyond).all(dim=2)


def adapt_to_pixels(maps: Tensor, pixels: Tensor) -> Tensor:
    """Pixel-adaptive refinement (PAMR, Araslanov & Roth 2020) of maps (1, R, H, W).

    Each pixel becomes the mean of 16 neighbours, weighted by how like their colours are.
    """
    neighbours = torch.stack(_neighbours(pixels), dim=2)  # (1, 3, 16, H, W)
    centre = pixels[:, :, None]
    copies = torch.cat([neighbours, centre.expand(-1, -1, len(DILATIONS), -1, -1)], dim=2)
    spread = copies.std(dim=2, keepdim=True)
    difference = (neighbours - centre).abs() / (1e-8 + 0.1 * spread)
    weights = (-difference).mean(dim=1).softmax(dim=1)  # (1, 16, H, W)
    for _ in range(ITERATIONS):
        total = torch.zeros_like(maps)
        for index, neighbour in enumerate(_neighbours(maps)):
            total.addcmul_(neighbour, weights[:, index : index + 1])
        maps = total
    return maps


def _neighbours(maps: Tensor) -> list[Tensor]:
    """The 8 neighbours at each dilation of maps (1, C, H, W), borders repeated: 16 views."""
    height, width = maps.shape[2:]
    shifted = []
    for dilation in DILATIONS:
        padded = F.pad(maps, [dilation] * 4, mode="replicate")
        for row in range(3):
            for column in range(3):
                if (row, column) != (1, 1):
                    top, left = row * dilation, column * dilation
                    shifted.append(padded[:, :, top : top + height, left : left + width])
    return shifted
