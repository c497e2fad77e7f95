"""Random walker with priors: what is known of single pixels, spread along the image's edges.

Grady (2005): the x that minimizes  sum_ij w_ij (x_i - x_j)² + sum_i a_i (x_i - prior_i)²  over
neighbors i, j, where w_ij is small across an edge.
Shapes: C channels, h, w pixels.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from model.grid_laplacian import GridWeights, solve_anchored

MIN_EDGE_WEIGHT = 1e-3  # added to all weights: the system stays well conditioned
MAX_STEPS = 60
TOLERANCE = 1e-3  # of the residual


def neighbor_weights(
    maps: NDArray[np.float32], sharpness: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights of neighbors in maps (C, h, w): (h - 1, w) downwards and (h, w - 1) rightwards.

    exp(-sharpness * d²), with d² in units of its mean over all neighbors, plus MIN_EDGE_WEIGHT.
    """
    down = np.square(np.diff(maps, axis=1)).sum(axis=0)
    right = np.square(np.diff(maps, axis=2)).sum(axis=0)
    mean = (down.sum() + right.sum()) / max(1, down.size + right.size)
    scale = -sharpness / max(float(mean), 1e-12)
    return np.exp(scale * down) + MIN_EDGE_WEIGHT, np.exp(scale * right) + MIN_EDGE_WEIGHT


def random_walk(
    prior: NDArray[np.float32],
    anchors: NDArray[np.float32],
    weights: tuple[NDArray[np.float32], NDArray[np.float32]],
    *,
    steps: int = MAX_STEPS,
    tolerance: float = TOLERANCE,
) -> NDArray[np.float32]:
    """The walker's x (h, w) float32 for a prior (h, w) in 0..1, held by the anchors (h, w)."""
    values, anchor, down, right = (
        torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32))
        for part in (prior, anchors, *weights)
    )
    # Anchors differ by orders of magnitude, so the system is preconditioned.
    solved = solve_anchored(
        values[None],
        anchor,
        GridWeights(down, right),
        steps=steps,
        tolerance=tolerance,
        precondition=True,
    )
    return solved[0].numpy()
