"""Findings on a surface, by what differs from it: a lesion on skin, scratches on steel.

Words hardly find what is rare in captions, and so an image of one surface is read as that surface.
Its tokens are alike, and those of a finding are not like them. The border of an image shows its
surface (the boundary prior of salient object detection: Wei et al., "Geodesic Saliency Using
Background Priors", ECCV 2012); a finding is what is far from the border's usual token. Which
finding it is, is left to the words. A heuristic of ours; what it gains and the numbers below are in
benchmarks/README.md, "Findings on a surface".
Shapes: C classes with the background last, E channels, h, w patches.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

THRESHOLD = 0.6  # between the mean distance of the surface, 0, and that of what differs, 1
SHARPNESS = 8.0  # of the change from one to the other at the threshold
MIN_CONTRAST = 0.08  # of cosine distances: texture alone is divided in two as well
MAX_SHARE = 0.5  # of the image: more is no finding
MAX_BORDER_SHARE = 0.35  # of the border, of which most must be surface
MAX_EDGE_SHARE = 0.5  # of a part, on the border: more is a dark corner, the rim of a lens
BINS = 128


@dataclass(frozen=True)
class SurfaceConfig:
    """When findings are told by their distance from the surface."""

    # 0..1, of surface and findings in an image: the share of the variance of distances that is
    # between the two. 1: findings are told by words alone.
    min_separation: float = 1.0


def set_findings_apart(
    probs: Tensor, patch_tokens: Tensor, surface: int | None, config: SurfaceConfig
) -> Tensor:
    """Probs (C, h, w) in which patches with tokens (E, h, w) unlike the surface's are findings.

    `surface`: index of the class on which all others are. Without one, and where nothing stands
    out from it, the probs stay as they are.
    """
    if surface is None or config.min_separation >= 1:
        return probs
    distance = distance_from_border(patch_tokens)
    finding = finding_prob(distance.numpy(), config.min_separation)
    if finding is None:
        return probs
    is_finding = torch.arange(len(probs)) != surface
    is_finding[-1] = False  # the background, which is empty where a label is the surface
    shares = probs[is_finding].clamp_min(1e-6)
    shares = shares / shares.sum(dim=0, keepdim=True)
    for part in connected_parts(finding > 0.5):
        if is_border(part.shape)[part].mean() > MAX_EDGE_SHARE:
            finding[part] = 0
        shares[:, part] = shares[:, part].mean(dim=1, keepdim=True)  # its patches vote for a name
    apart = torch.zeros_like(probs)
    apart[is_finding] = shares * torch.from_numpy(finding)
    apart[surface] = torch.from_numpy(1 - finding)
    return apart


def distance_from_border(patch_tokens: Tensor) -> Tensor:
    """Cosine distance (h, w) of tokens (E, h, w) from the median of those along the border."""
    tokens = F.normalize(patch_tokens.float(), dim=0)
    usual = F.normalize(tokens[:, is_border(tokens.shape[1:])].median(dim=1).values, dim=0)
    return 1 - torch.einsum("ehw,e->hw", tokens, usual)


def finding_prob(
    distance: NDArray[np.float32], min_separation: float
) -> NDArray[np.float32] | None:
    """Probs (h, w) of being a finding by distances (h, w) from the surface; None without any."""
    is_far = distance > otsu_threshold(distance)
    share, border_share = is_far.mean(), is_far[is_border(distance.shape)].mean()
    if not 0 < share <= MAX_SHARE or border_share > MAX_BORDER_SHARE:
        return None
    near, contrast = distance[~is_far].mean(), distance[is_far].mean() - distance[~is_far].mean()
    is_separate = share * (1 - share) * contrast**2 >= min_separation * distance.var()
    if contrast < MIN_CONTRAST or not is_separate:
        return None
    position = (distance - near) / contrast  # 0: as the surface, 1: as what differs
    prob: NDArray[np.float32] = 1 / (1 + np.exp(SHARPNESS * (THRESHOLD - position)))
    return prob


def otsu_threshold(values: NDArray[np.float32]) -> float:
    """The threshold that divides values into two groups of the least variance (Otsu 1979)."""
    counts, edges = np.histogram(values, BINS)
    centers = (edges[:-1] + edges[1:]) / 2
    below, sums = counts.cumsum(), (counts * centers).cumsum()
    above = below[-1] - below
    between = (sums * below[-1] - sums[-1] * below) ** 2 / np.maximum(below * above, 1)
    return float(centers[between.argmax()])


def connected_parts(mask: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """The connected parts of a mask (h, w), each as a mask."""
    n_parts, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return (parts == number for number in range(1, n_parts))


def is_border(size_hw: tuple[int, ...]) -> NDArray[np.bool_]:
    """(h, w) bool: the outermost patches."""
    border = np.ones(size_hw, dtype=np.bool_)
    border[1:-1, 1:-1] = False
    return border
