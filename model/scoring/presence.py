"""Which classes are in the image at all, by their class probabilities.

Shapes: C classes with the background last, E channels, h, w patches, P = h * w.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.errors import unknown_name

SINKHORN_STEPS = 3


@dataclass(frozen=True)
class PresenceConfig:
    """Which classes are dropped as absent; none by default."""

    measure: str = ""  # a name in PRESENCE_MEASURES; "": all classes stay
    min_presence: float = 0.0  # 0..1, of the measure


def peak_prob(probs: Tensor, _: Tensor) -> Tensor:
    """The highest prob (C,) of each class: MaskCLIP's prompt denoising (2112.01071)."""
    return probs.amax(dim=(1, 2))


def affinity_consistency(probs: Tensor, patch_tokens: Tensor) -> Tensor:
    """IoU (C,), 0..1, of each class map and the map spread over similar patches.

    After FreeCP (2508.00557): a class that is in the image covers patches that are similar, so
    spreading its map by the affinity of patches changes little. The affinity is the Sinkhorn-
    normalized cosine of the patch tokens (E, h, w), where FreeCP takes attention maps.
    """
    tokens = F.normalize(patch_tokens.flatten(1), dim=0)
    affinity = (tokens.T @ tokens).clamp_min(0)  # (P, P)
    for _ in range(SINKHORN_STEPS):
        affinity = affinity / affinity.sum(dim=0, keepdim=True)
        affinity = affinity / affinity.sum(dim=1, keepdim=True)
    affinity = ((affinity + affinity.T) / 2) @ affinity
    maps = probs.flatten(1)  # (C, P)
    spread = _to_unit_range(maps @ affinity.T) * maps.amax(dim=1, keepdim=True)
    return torch.minimum(maps, spread).sum(dim=1) / torch.maximum(maps, spread).sum(dim=1)


PRESENCE_MEASURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "peak": peak_prob,
    "affinity": affinity_consistency,
}


def drop_absent_classes(probs: Tensor, patch_tokens: Tensor, config: PresenceConfig) -> Tensor:
    """Probs (C, h, w) without the classes whose presence is below the config's minimum.

    The background and the class of the highest presence always stay.
    """
    if not config.measure:
        return probs
    if config.measure not in PRESENCE_MEASURES:
        raise unknown_name("presence measure", config.measure, PRESENCE_MEASURES)
    presence = PRESENCE_MEASURES[config.measure](probs, patch_tokens)  # (C,)
    is_kept = (presence >= config.min_presence) | (presence == presence[:-1].max())
    is_kept[-1] = True
    kept = probs * is_kept.view(-1, 1, 1)
    return kept / kept.sum(dim=0, keepdim=True).clamp_min(1e-12)


def _to_unit_range(maps: Tensor) -> Tensor:
    low, high = maps.amin(dim=1, keepdim=True), maps.amax(dim=1, keepdim=True)
    return (maps - low) / (high - low).clamp_min(1e-12)
