"""ResCLIP's feedback (2411.15851): patches of the same predicted class attend to each other.

A first prediction is made of each window with the text embeds, refined along its edges, and turned
into an affinity of patches. The features then depend on the vocabulary.
Shapes: R rows of text, E joint channels, H, W pixels, h, w patches, P = h * w.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.logit_scale import logit_scale_of
from model.refine.pamr import PamrConfig, diffuse

PAIRS_AT_ONCE = 2**18  # of patches whose connecting line is walked together
PAMR = PamrConfig(iterations=10, dilations=(8, 16))


@dataclass(frozen=True)
class FeedbackConfig:
    share: float = 0.0  # 0..1, of the affinity in the attention logits
    gain: float = 1.0  # times the attention logits and the affinity
    min_prob: float = 0.0  # less probable pixels of the first prediction are row 0


@dataclass(frozen=True, eq=False)
class TextQuery:
    """What is asked of one image, for methods whose features depend on it."""

    embeds: Tensor  # (R, E), unit length
    logit_scale: float | None  # None: automatic


def class_affinity(
    patch_tokens: Tensor, pixels: Tensor, query: TextQuery, min_prob: float, blur_std: float
) -> Tensor:
    """Affinity (1 + P, 1 + P), at most 1, of patches (E, h, w) by a first prediction of a window.

    `pixels` (3, H, W) are the window's, of any scale.
    """
    logits = torch.einsum("re,ehw->rhw", query.embeds, patch_tokens)[None]
    logits = F.interpolate(logits, size=pixels.shape[1:], mode="bilinear")[0]
    logits = diffuse(logits, pixels, PAMR)
    scale = logit_scale_of(logits, query.logit_scale)
    probs = (logits * scale).softmax(dim=0)  # (R, H, W)
    best = probs.max(dim=0)
    prediction = best.indices.masked_fill(best.values < min_prob, 0)
    grid_hw = (patch_tokens.shape[1], patch_tokens.shape[2])
    return same_class_affinity(majority(prediction, grid_hw), blur_std)


def majority(prediction: Tensor, grid_hw: tuple[int, int]) -> Tensor:
    """The most frequent class of each patch, (h, w), of a prediction (H, W)."""
    height, width = prediction.shape[0] // grid_hw[0], prediction.shape[1] // grid_hw[1]
    patches = prediction.unfold(0, height, height).unfold(1, width, width)
    return patches.flatten(2).mode(dim=2).values


def same_class_affinity(classes: Tensor, blur_std: float) -> Tensor:
    """Affinity (1 + P, 1 + P) of patches by their classes (h, w).

    1 for the same class, less with the distance where the line between two patches leaves it. Rows
    are blurred along the flat index, as published, and normalized; 0 for the class token.
    """
    height, width = classes.shape
    places = torch.cartesian_prod(
        torch.arange(height, device=classes.device), torch.arange(width, device=classes.device)
    )  # (P, 2)
    flat = classes.flatten()
    same = (flat[:, None] == flat).float()
    steps = (places[:, None] - places).abs().amax(dim=2)  # (P, P)
    longest = int(steps.max())
    is_connected = torch.cat(
        [
            _is_connected(rows, places, classes, longest)
            for rows in places.split(max(1, PAIRS_AT_ONCE // (len(flat) * (longest + 1))))
        ]
    )
    affinity = torch.where(is_connected, same, same * torch.exp(-steps / max(1, longest)))

    size = min(len(flat), int(6 * blur_std + 1))
    size += 1 - size % 2
    offset = torch.arange(size, device=classes.device) - size // 2
    kernel = torch.exp(-(offset**2) / (2 * blur_std**2))
    kernel = (kernel / kernel.sum()).view(1, 1, -1)
    affinity = F.conv1d(affinity[:, None], kernel, padding=size // 2)[:, 0].relu()
    affinity = affinity / (affinity.sum(dim=1, keepdim=True) + 1e-8)
    return F.pad((affinity / affinity.max()).half(), (1, 0, 1, 0))  # half, as published


def _is_connected(rows: Tensor, places: Tensor, classes: Tensor, longest: int) -> Tensor:
    """Whether the line from each of the rows (p, 2) to each place (P, 2) keeps its class, (p, P).

    As published: all lines are cut into as many steps as the longest, but a pair walks only as
    many of them as it is far apart, so only the first part of short lines is looked at.
    """
    walk = torch.linspace(0, 1, longest + 1, device=rows.device)
    start, end = rows[:, None, None], places[None, :, None]  # (p, 1, 1, 2), (1, P, 1, 2)
    line = (start * (1 - walk[:, None]) + end * walk[:, None]).round().long()  # (p, P, s, 2)
    kept = classes[line[..., 0], line[..., 1]] == classes[rows[:, 0], rows[:, 1]][:, None, None]
    steps = (rows[:, None] - places).abs().amax(dim=2)
    beyond = torch.arange(longest + 1, device=rows.device) > steps[:, :, None]
    return (kept | beyond).all(dim=2)
