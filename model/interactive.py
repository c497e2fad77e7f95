"""Clicks and boxes: one mask of the thing that a person points at.

Shapes: E channels of the joint space, h, w patches, H, W pixels. Coordinates are shares of the
image's width and height, 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.refiners import refine


@dataclass(frozen=True)
class PointPrompt:
    x: float
    y: float
    is_positive: bool = True


@dataclass(frozen=True)
class BoxPrompt:
    box_xyxy: tuple[float, float, float, float]


def answer(
    patch_tokens: Tensor,
    image: np.ndarray,
    prompts: Sequence[PointPrompt | BoxPrompt],
    label_prob: Tensor,
) -> tuple[np.ndarray, float]:
    """The mask (H, W) bool of what is meant and its score 0..1.

    `label_prob` (h, w) is what words and memory say of the chosen label.
    """
    height, width = image.shape[:2]
    grid_h, grid_w = patch_tokens.shape[1:]
    points = F.normalize(patch_tokens, dim=0)
    logits = torch.zeros(2, grid_h, grid_w)
    for prompt in prompts:
        if isinstance(prompt, PointPrompt):
            y, x = _cell(prompt.y, grid_h), _cell(prompt.x, grid_w)
            alike = 10 * torch.einsum("ehw,e->hw", points, points[:, y, x])
            sign = int(prompt.is_positive)
            logits[sign] = torch.maximum(logits[sign], alike)
    inside = torch.ones(grid_h, grid_w)
    for prompt in prompts:
        if isinstance(prompt, BoxPrompt):
            left, top, right, bottom = prompt.box_xyxy
            inside = torch.zeros(grid_h, grid_w)
            rows = slice(_cell(top, grid_h), _cell(bottom, grid_h) + 1)
            inside[rows, _cell(left, grid_w) : _cell(right, grid_w) + 1] = 1
    if not logits[0].any():
        logits[0] = 7
    if not logits[1].any():
        logits[1] = 7 + label_prob
    prob = logits.softmax(dim=0)[1] * inside
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
    full = refine("guided", torch.stack([prob, 1 - prob]), pixels)[0].numpy()
    mask = full > 0.5
    for prompt in prompts:
        if isinstance(prompt, PointPrompt):
            mask[_cell(prompt.y, height), _cell(prompt.x, width)] = prompt.is_positive
    mask = _touched(mask, prompts)
    return mask, float(full[mask].mean()) if mask.any() else 0.0


def _touched(mask: np.ndarray, prompts: Sequence[PointPrompt | BoxPrompt]) -> np.ndarray:
    """The parts of the mask under positive clicks, if there are any."""
    positive = [p for p in prompts if isinstance(p, PointPrompt) and p.is_positive]
    if not positive:
        return mask
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    height, width = mask.shape
    kept = {int(parts[_cell(p.y, height), _cell(p.x, width)]) for p in positive}
    return np.isin(parts, sorted(kept - {0}))


def _cell(share: float, count: int) -> int:
    return min(count - 1, max(0, int(share * count)))
