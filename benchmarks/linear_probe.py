"""A linear probe: logistic regression on all patches of the taught images, with gradients.

The baseline that corrections, which use none, are compared with. Shapes: E channels, h, w patches,
K classes.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.datasets import IGNORE

WEIGHT_DECAY = 1e-4
STEPS = 60


def majority(truth: NDArray[np.uint8], grid_hw: tuple[int, int]) -> NDArray[np.int64]:
    """The commonest class (h * w,) of each patch of truth (H, W)."""
    rows, columns = (
        np.arange(side) * count // side for side, count in zip(truth.shape, grid_hw, strict=True)
    )
    patch = (rows[:, None] * grid_hw[1] + columns).ravel()  # of each pixel
    pairs = np.bincount(patch * 256 + truth.ravel(), minlength=grid_hw[0] * grid_hw[1] * 256)
    classes: NDArray[np.int64] = pairs.reshape(-1, 256).argmax(axis=1)
    return classes


class LinearProbe:
    """Fitted to features (E, h, w) and truths (h * w,); gives probs (K, h, w)."""

    def __init__(
        self, features: Sequence[Tensor], truths: Sequence[NDArray[np.int64]], n_classes: int
    ) -> None:
        points = torch.cat([self._points(tokens) for tokens in features])
        classes = torch.from_numpy(np.concatenate(truths)).long()
        points, classes = points[classes != IGNORE], classes[classes != IGNORE]
        self.mean, self.std = points.mean(dim=0), points.std()
        points = self._standard(points)
        weight = torch.zeros(points.shape[1], n_classes, requires_grad=True)
        optimizer = torch.optim.LBFGS(
            [weight], max_iter=STEPS, history_size=5, line_search_fn="strong_wolfe"
        )

        def loss() -> float:
            optimizer.zero_grad()
            value = F.cross_entropy(points @ weight, classes)
            value = value + WEIGHT_DECAY * weight[:-1].square().sum()
            value.backward()
            return float(value.detach())

        with torch.enable_grad():
            optimizer.step(loss)
        self.weight = weight.detach()
        self.seen = torch.bincount(classes, minlength=n_classes) > 0

    def __call__(self, tokens: Tensor) -> Tensor:
        logits = self._standard(self._points(tokens)) @ self.weight
        probs = logits.masked_fill(~self.seen, -torch.inf).softmax(dim=1)
        return probs.T.view(-1, *tokens.shape[1:])

    @staticmethod
    def _points(tokens: Tensor) -> Tensor:
        return F.normalize(tokens.float().flatten(1).T, dim=1)

    def _standard(self, points: Tensor) -> Tensor:
        points = (points - self.mean) / self.std
        return torch.cat([points, points.new_ones(len(points), 1)], dim=1)
