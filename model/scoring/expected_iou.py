"""The IoU that a region is expected to have with what a person would draw: its score.

The mean prob of a mask says little of it: masks that are wholly wrong have 0.8, too. More tells
how probable its class is elsewhere, and whether its patches are alike and unlike the others.
Shapes: C classes with the background last, E channels, h, w patches, H, W pixels.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

SURE = 1e-3  # shares are kept so far from 0 and 1 before their logit is taken


@dataclass(frozen=True)
class IouWeights:
    """Of a logistic regression of the IoU on `RegionEvidence.features`, in their order.

    Fitted on 13 sets by `python -m benchmarks.scores --limit 15`; how well it holds for sets left
    out: benchmarks/README.md, "Scores".
    """

    intercept: float = -0.365
    soft_iou: float = 0.557
    token_iou: float = 0.329
    entropy: float = -0.824
    log_area: float = -0.027
    taught: float = 1.463

    def iou(self, features: NDArray[np.float64]) -> float:
        weights = (self.soft_iou, self.token_iou, self.entropy, self.log_area, self.taught)
        return float(1 / (1 + np.exp(-(self.intercept + features @ np.array(weights)))))


FITTED = IouWeights()


@dataclass(frozen=True, eq=False)
class RegionEvidence:
    """What an image says of any region of it, for one vocabulary."""

    probs: Tensor  # (C, h, w), before they were brought to pixels
    tokens: Tensor  # (E, h, w)
    is_taught: Tensor  # (C,) bool: classes that lessons know

    def expected_iou(
        self, index: int, mask: NDArray[np.bool_], of_class: NDArray[np.bool_] | None = None
    ) -> float:
        """0..1, of a region (H, W) of class `index`; `of_class`: all of its class, if it is a part
        of it."""
        return FITTED.iou(self.features(index, mask, of_class))

    @torch.inference_mode()
    def features(
        self, index: int, mask: NDArray[np.bool_], of_class: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """The features (5,) of a region (H, W) that is not empty; see `expected_iou`.

        The logit of its soft IoU with the probs of its class; the logit of its IoU with the patches
        that are more like its mean token than like that of the rest; the mean entropy of the probs
        in it; the log of its share of the image; 1 for a taught class, else 0.
        """
        grid_hw = (self.probs.shape[1], self.probs.shape[2])
        inside = _shares(mask, grid_hw)
        outside = 1 - (inside if of_class is None else _shares(of_class, grid_hw))
        area = inside.sum().clamp_min(1e-6)
        prob = self.probs[index]
        soft_iou = (prob * inside).sum() / (area + (prob * outside).sum())
        return np.array(
            [
                _logit(float(soft_iou)),
                _logit(self._token_iou(inside, outside)),
                float((self._entropy * inside).sum() / area),
                np.log(max(np.count_nonzero(mask) / mask.size, 1e-5)),
                float(self.is_taught[index]),
            ]
        )

    @cached_property
    def _entropy(self) -> Tensor:
        """(h, w), in nats."""
        return -(self.probs.clamp_min(1e-9).log() * self.probs).sum(dim=0)

    @cached_property
    def _unit_tokens(self) -> Tensor:
        """(E, h * w)."""
        return F.normalize(self.tokens.flatten(1), dim=0)

    def _token_iou(self, inside: Tensor, outside: Tensor) -> float:
        """IoU of a region with the patches that its mean token attracts, by shares (h, w)."""
        tokens = self._unit_tokens
        means = F.normalize(tokens @ torch.stack([inside, outside]).flatten(1).T, dim=0)  # (E, 2)
        to_region, to_rest = means.T @ tokens
        attracted = (to_region > to_rest).view(inside.shape).float() * (inside + outside).clamp(
            0, 1
        )
        either = torch.maximum(attracted, inside).sum().clamp_min(1e-6)
        return float(torch.minimum(attracted, inside).sum() / either)


def _shares(mask: NDArray[np.bool_], grid_hw: tuple[int, int]) -> Tensor:
    """How much of each patch (h, w) a mask (H, W) covers, 0..1."""
    pixels = mask.astype(np.uint8) * 255
    return torch.from_numpy(cv2.resize(pixels, grid_hw[::-1], interpolation=cv2.INTER_AREA)) / 255


def _logit(share: float) -> float:
    share = min(max(share, SURE), 1 - SURE)
    return float(np.log(share / (1 - share)))
