"""Clicks and boxes to one mask of the object they point at.

A prior for each pixel is made of the similarity of its features to the clicked ones, of what text
and memory predict for the label, of its appearance, and of the distance to the clicks; a random
walker spreads it along the edges of the image. The weights are heuristics of ours, chosen by
benchmarks.clicks (benchmarks/README.md, "Clicks").
Shapes: E channels of the joint space, h, w patches, H, W pixels, y, x working pixels.
Coordinates are shares of the image's width and height, 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.interactive.appearance import appearance_planes, discriminant
from model.interactive.random_walker import neighbor_weights, random_walk
from model.refine.tiles import working_size

CERTAIN = 1e3  # anchor of a pixel whose value is given


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
    working_pixels: int = 160 * 160
    similarity_gain: float = 8.0  # logit for 1 of cosine to a click
    neutral_cosine: float = 0.45  # to a click, of centered features: above it speaks for the object
    label_weight: float = 0.3  # of the log-odds by text and memory
    appearance_weight: float = 1.0  # logit of a pixel that looks like a positive click
    distance_weight: float = 4.0  # logit lost at one mean side's distance from all clicks
    negative_reach: float = 1.0  # mean sides in which a negative click's similarity falls to 1 / e
    anchor: float = 0.0072  # of the prior on a pixel, beside the weights of its neighbors
    color_sharpness: float = 1.0  # of the edges in color
    feature_sharpness: float = 1.0  # of the edges in features
    click_radius: float = 0.01  # of the disc around a click that is certain, in mean sides


def prompt_mask(
    patch_tokens: Tensor,
    image: NDArray[np.uint8],
    prompts: Sequence[PointPrompt | BoxPrompt],
    label_prob: Tensor,
    config: InteractiveConfig = InteractiveConfig(),  # noqa: B008, frozen
) -> tuple[NDArray[np.bool_], float]:
    """The mask (H, W) bool of the object that is pointed at, and its score 0..1, its mean prob.

    `label_prob` is the prob of the chosen label by text and memory, at patches (h, w) or finer.
    """
    image_hw = (image.shape[0], image.shape[1])
    size_hw = working_size(image_hw, config.working_pixels)
    colors = cv2.resize(image, size_hw[::-1], interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(colors, cv2.COLOR_RGB2LAB).astype(np.float32).transpose(2, 0, 1)
    points = [prompt for prompt in prompts if isinstance(prompt, PointPrompt)]
    boxes = [prompt for prompt in prompts if isinstance(prompt, BoxPrompt)]

    coarse = similarity_logit(patch_tokens, points, config), label_logit(label_prob, config)
    logit = sum(cv2.resize(one, size_hw[::-1], interpolation=cv2.INTER_LINEAR) for one in coarse)
    logit = logit + appearance_logit(image, size_hw, points, config)
    logit = logit - config.distance_weight * click_distance(size_hw, points)
    prior = 1 / (1 + np.exp(-logit.clip(-30, 30)))
    anchors = np.full(size_hw, config.anchor, dtype=np.float32)
    if boxes:
        outside = ~np.any([box_mask(size_hw, box) for box in boxes], axis=0)
        prior[outside], anchors[outside] = 0, CERTAIN
    for point in points:
        disc = disc_mask(size_hw, point, config.click_radius)
        prior[disc], anchors[disc] = float(point.is_positive), CERTAIN

    prob = random_walk(prior, anchors, edge_weights(lab, patch_tokens, config))
    full = cv2.resize(prob, image_hw[::-1], interpolation=cv2.INTER_LINEAR)
    mask = full > 0.5
    for point in points:
        mask[cell(point.y, image_hw[0]), cell(point.x, image_hw[1])] = point.is_positive
    mask = clicked_components(mask, points)
    if boxes and not mask.any() and not any(point.is_positive for point in points):
        # Words see nothing in the box, but somebody drew it around something.
        centers = [center_of(box) for box in boxes]
        return prompt_mask(patch_tokens, image, [*centers, *prompts], label_prob, config)
    return mask, float(full[mask].mean()) if mask.any() else 0.0


def center_of(box: BoxPrompt) -> PointPrompt:
    left, top, right, bottom = box.box_xyxy
    return PointPrompt((left + right) / 2, (top + bottom) / 2)


def similarity_logit(
    patch_tokens: Tensor, points: Sequence[PointPrompt], config: InteractiveConfig
) -> NDArray[np.float32]:
    """Logit (h, w) that a patch is similar to a positive click and not to a negative one.

    The largest cosine to a positive click counts anywhere in the image, that to a negative click
    only near it: the next object of the same kind is often what is clicked away.
    """
    tokens = F.normalize(patch_tokens, dim=0)
    tokens = F.normalize(tokens - tokens.mean(dim=(1, 2), keepdim=True), dim=0)
    grid_hw = (tokens.shape[1], tokens.shape[2])
    similar = np.full(grid_hw, -1.0, dtype=np.float32)
    against = np.zeros(grid_hw, dtype=np.float32)
    for point in points:
        grid = torch.tensor([[[[2 * point.x - 1, 2 * point.y - 1]]]], dtype=torch.float32)
        seed = F.grid_sample(tokens[None], grid, padding_mode="border", align_corners=False)
        cosine = torch.einsum("ehw,e->hw", tokens, F.normalize(seed.flatten(), dim=0)).numpy()
        if point.is_positive:
            similar = np.maximum(similar, cosine)
        else:
            distance = click_distance(grid_hw, [replace(point, is_positive=True)])
            near = np.exp(-distance / config.negative_reach)
            against = np.maximum(against, (cosine - config.neutral_cosine) * near)
    if not any(point.is_positive for point in points):
        similar = np.full(grid_hw, config.neutral_cosine, dtype=np.float32)
    return config.similarity_gain * (similar - config.neutral_cosine - against)


def label_logit(label_prob: Tensor, config: InteractiveConfig) -> NDArray[np.float32]:
    """Logit (h, w) of the label, minus its mean over the image."""
    logit = torch.logit(label_prob.float(), eps=1e-3)
    return (config.label_weight * (logit - logit.mean())).numpy()


def appearance_logit(
    image: NDArray[np.uint8],
    size_hw: tuple[int, int],
    points: Sequence[PointPrompt],
    config: InteractiveConfig,
) -> NDArray[np.float32]:
    """Logit (y, x) that a pixel looks like the positive clicks; 0 without clicks of both kinds.

    One click does not tell what of its appearance matters: on everyday photos, whose objects have
    many colors, a single one led astray.
    """
    discs = {
        is_positive: [
            disc_mask(size_hw, point, config.click_radius)
            for point in points
            if point.is_positive == is_positive
        ]
        for is_positive in (True, False)
    }
    if not (discs[True] and discs[False]):
        return np.zeros(size_hw, dtype=np.float32)
    score = discriminant(appearance_planes(image, size_hw), discs[True], discs[False])
    weighted: NDArray[np.float32] = config.appearance_weight * score
    return weighted


def click_distance(size_hw: tuple[int, int], points: Sequence[PointPrompt]) -> NDArray[np.float32]:
    """From each pixel (y, x) to the nearest positive click, in mean sides; 0 without one."""
    free = np.ones(size_hw, dtype=np.uint8)
    for point in points:
        if point.is_positive:
            free[cell(point.y, size_hw[0]), cell(point.x, size_hw[1])] = 0
    if free.all():
        return np.zeros(size_hw, dtype=np.float32)
    mean_side = (size_hw[0] * size_hw[1]) ** 0.5
    distance: NDArray[np.float32] = cv2.distanceTransform(free, cv2.DIST_L2, 5) / mean_side
    return distance


def edge_weights(
    lab: NDArray[np.float32], patch_tokens: Tensor, config: InteractiveConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights of neighboring pixels, down and right: product of those by colors (3, y, x) and by
    patch features."""
    down, right = neighbor_weights(lab, config.color_sharpness)
    tokens = F.normalize(patch_tokens, dim=0).numpy()
    coarse_down, coarse_right = neighbor_weights(tokens, config.feature_sharpness)
    size = (lab.shape[2], lab.shape[1])
    pad_down, pad_right = [(0, 1), (0, 0)], [(0, 0), (0, 1)]
    fine_down = cv2.resize(np.pad(coarse_down, pad_down, "edge"), size)[:-1]
    fine_right = cv2.resize(np.pad(coarse_right, pad_right, "edge"), size)[:, :-1]
    return down * fine_down.astype(np.float32), right * fine_right.astype(np.float32)


def box_mask(size_hw: tuple[int, int], box: BoxPrompt) -> NDArray[np.bool_]:
    """Pixels (y, x) bool whose center is in the box; at least one."""
    left, top, right, bottom = box.box_xyxy
    y, x = ((np.arange(count) + 0.5) / count for count in size_hw)
    inside = ((y >= top) & (y <= bottom))[:, None] & ((x >= left) & (x <= right))
    inside[cell((top + bottom) / 2, size_hw[0]), cell((left + right) / 2, size_hw[1])] = True
    return inside


def disc_mask(size_hw: tuple[int, int], point: PointPrompt, radius: float) -> NDArray[np.bool_]:
    """Pixels (y, x) bool within `radius` mean sides of a click."""
    disc = np.zeros(size_hw, dtype=np.uint8)
    place = cell(point.x, size_hw[1]), cell(point.y, size_hw[0])
    cv2.circle(disc, place, round(radius * (size_hw[0] * size_hw[1]) ** 0.5), 1, -1)
    return disc.astype(bool)


def clicked_components(mask: NDArray[np.bool_], points: Sequence[PointPrompt]) -> NDArray[np.bool_]:
    """The connected components of the mask under positive clicks; the mask without such clicks."""
    positive = [point for point in points if point.is_positive]
    if not positive:
        return mask
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    height, width = mask.shape
    kept = {int(parts[cell(p.y, height), cell(p.x, width)]) for p in positive} - {0}
    is_kept = np.zeros(parts.max() + 1, dtype=bool)
    is_kept[sorted(kept)] = True
    kept_mask: NDArray[np.bool_] = is_kept[parts]
    return kept_mask


def cell(share: float, count: int) -> int:
    """Index of the cell that a share 0..1 of `count` cells falls into."""
    return min(count - 1, max(0, int(share * count)))
