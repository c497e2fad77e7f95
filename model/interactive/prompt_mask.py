"""Clicks and boxes: one mask of the thing that a person points at.

What is alike to the clicked patches, what words and memory say of the label, and what lies near a
click make a prior for each pixel; a random walker spreads it along the edges of the image.
Shapes: E channels of the joint space, h, w patches, H, W pixels, y, x working pixels.
Coordinates are shares of the image's width and height, 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.interactive.random_walker import neighbour_weights, spread
from model.refine.tiles import working_size


@dataclass(frozen=True)
class PointPrompt:
    x: float
    y: float
    is_positive: bool = True


@dataclass(frozen=True)
class BoxPrompt:
    box_xyxy: tuple[float, float, float, float]


@dataclass(frozen=True)
class InteractiveConfig:
    working_pixels: int = 96 * 96
    sharpness: float = 8.0  # of likeness to a click, in cosine
    alike_above: float = 0.45  # cosine to a click, around the mean, where likeness turns
    label_weight: float = 0.3  # of the log-odds of words and memory
    nearness_weight: float = 4.0  # of the logit lost at one mean side's distance from all clicks
    negative_reach: float = 1.0  # mean sides over which a negative click speaks of what is alike
    pull: float = 0.02  # of the prior on a pixel, beside its neighbours
    colour_edges: float = 1.0
    feature_edges: float = 1.0
    seed_radius: float = 0.01  # around a click that is certain, of the mean side


def answer(
    patch_tokens: Tensor,
    image: np.ndarray,
    prompts: Sequence[PointPrompt | BoxPrompt],
    label_prob: Tensor,
    config: InteractiveConfig = InteractiveConfig(),  # noqa: B008, frozen
) -> tuple[np.ndarray, float]:
    """The mask (H, W) bool of what is meant and its score 0..1.

    `label_prob` (h, w) is what words and memory say of the chosen label.
    """
    image_hw = (image.shape[0], image.shape[1])
    size_hw = working_size(image_hw, config.working_pixels)
    colours = cv2.resize(image, size_hw[::-1], interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(colours, cv2.COLOR_RGB2LAB).astype(np.float32).transpose(2, 0, 1)
    points = [prompt for prompt in prompts if isinstance(prompt, PointPrompt)]
    boxes = [prompt for prompt in prompts if isinstance(prompt, BoxPrompt)]

    # Some methods give probs on a grid of their own.
    evidence = (likeness(patch_tokens, points, config), label_evidence(label_prob, config))
    logit = sum(
        cv2.resize(part, size_hw[::-1], interpolation=cv2.INTER_LINEAR) for part in evidence
    )
    logit = logit - config.nearness_weight * distance(size_hw, points)
    prior = 1 / (1 + np.exp(-logit.clip(-30, 30)))
    pull = np.full(size_hw, config.pull, dtype=np.float32)
    if boxes:
        outside = ~np.any([in_box(size_hw, box) for box in boxes], axis=0)
        prior[outside], pull[outside] = 0, 1e3
    for point in points:
        disc = disc_around(size_hw, point, config.seed_radius)
        prior[disc], pull[disc] = float(point.is_positive), 1e3

    down, right = edges(lab, patch_tokens, config)
    prob = spread(prior, pull, (down, right))
    full = cv2.resize(prob, image_hw[::-1], interpolation=cv2.INTER_LINEAR)
    mask = full > 0.5
    for point in points:
        mask[cell(point.y, image_hw[0]), cell(point.x, image_hw[1])] = point.is_positive
    mask = touched(mask, points)
    return mask, float(full[mask].mean()) if mask.any() else 0.0


def likeness(
    patch_tokens: Tensor, points: Sequence[PointPrompt], config: InteractiveConfig
) -> np.ndarray:
    """Logit (h, w) that a patch is of the kind of the positive clicks, not of the negative ones.

    A positive click speaks of all the image, a negative one of its surroundings: the next thing of
    the same kind is often what is clicked away.
    """
    tokens = F.normalize(patch_tokens, dim=0)
    tokens = F.normalize(tokens - tokens.mean(dim=(1, 2), keepdim=True), dim=0)
    grid_hw = (tokens.shape[1], tokens.shape[2])
    alike = np.full(grid_hw, -1.0, dtype=np.float32)
    against = np.zeros(grid_hw, dtype=np.float32)
    for point in points:
        grid = torch.tensor([[[[2 * point.x - 1, 2 * point.y - 1]]]], dtype=torch.float32)
        seed = F.grid_sample(tokens[None], grid, padding_mode="border", align_corners=False)
        cosine = torch.einsum("ehw,e->hw", tokens, F.normalize(seed.flatten(), dim=0)).numpy()
        if point.is_positive:
            alike = np.maximum(alike, cosine)
        else:
            near = np.exp(
                -distance(grid_hw, [replace(point, is_positive=True)]) / config.negative_reach
            )
            against = np.maximum(against, (cosine - config.alike_above) * near)
    if not any(point.is_positive for point in points):
        alike = np.full(grid_hw, config.alike_above, dtype=np.float32)
    return config.sharpness * (alike - config.alike_above - against)


def label_evidence(label_prob: Tensor, config: InteractiveConfig) -> np.ndarray:
    """Logit (h, w) of words and memory, around its own middle: what stands out is meant."""
    logit = torch.logit(label_prob.float(), eps=1e-3)
    return (config.label_weight * (logit - logit.mean())).numpy()


def distance(size_hw: tuple[int, int], points: Sequence[PointPrompt]) -> np.ndarray:
    """From each pixel (y, x) to the nearest positive click, in mean sides; 0 without one."""
    free = np.ones(size_hw, dtype=np.uint8)
    for point in points:
        if point.is_positive:
            free[cell(point.y, size_hw[0]), cell(point.x, size_hw[1])] = 0
    if free.all():
        return np.zeros(size_hw, dtype=np.float32)
    mean_side = (size_hw[0] * size_hw[1]) ** 0.5
    return cv2.distanceTransform(free, cv2.DIST_L2, 5) / mean_side


def edges(
    lab: np.ndarray, patch_tokens: Tensor, config: InteractiveConfig
) -> tuple[np.ndarray, np.ndarray]:
    """How much neighbours hold together, by their colours (3, y, x) and their patches."""
    down, right = neighbour_weights(lab, config.colour_edges)
    if not config.feature_edges:
        return down, right
    tokens = F.normalize(patch_tokens, dim=0)[None]
    coarse_down, coarse_right = neighbour_weights(tokens[0].numpy(), config.feature_edges)
    size = (lab.shape[2], lab.shape[1])
    pad = [(0, 1), (0, 0)], [(0, 0), (0, 1)]
    down = down * cv2.resize(np.pad(coarse_down, pad[0], "edge"), size)[:-1]
    right = right * cv2.resize(np.pad(coarse_right, pad[1], "edge"), size)[:, :-1]
    return down, right


def in_box(size_hw: tuple[int, int], box: BoxPrompt) -> np.ndarray:
    """Pixels (y, x) bool whose middle is in the box; at least one."""
    left, top, right, bottom = box.box_xyxy
    y, x = ((np.arange(count) + 0.5) / count for count in size_hw)
    inside = ((y >= top) & (y <= bottom))[:, None] & ((x >= left) & (x <= right))
    inside[cell((top + bottom) / 2, size_hw[0]), cell((left + right) / 2, size_hw[1])] = True
    return inside


def disc_around(size_hw: tuple[int, int], point: PointPrompt, radius: float) -> np.ndarray:
    disc = np.zeros(size_hw, dtype=np.uint8)
    place = cell(point.x, size_hw[1]), cell(point.y, size_hw[0])
    cv2.circle(disc, place, round(radius * (size_hw[0] * size_hw[1]) ** 0.5), 1, -1)
    return disc.astype(bool)


def touched(mask: np.ndarray, points: Sequence[PointPrompt]) -> np.ndarray:
    """The parts of the mask under positive clicks, if there are any."""
    positive = [point for point in points if point.is_positive]
    if not positive:
        return mask
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    height, width = mask.shape
    kept = {int(parts[cell(p.y, height), cell(p.x, width)]) for p in positive} - {0}
    chosen = np.zeros(parts.max() + 1, dtype=bool)
    chosen[sorted(kept)] = True
    return chosen[parts]


def cell(share: float, count: int) -> int:
    """Index of the cell that a share 0..1 of `count` cells falls into."""
    return min(count - 1, max(0, int(share * count)))
