"""Random walker with priors: what is known of single pixels, spread along the image's edges.

Grady (2005): the x that makes  sum w_ij (x_i - x_j)² + sum pull_i (x_i - prior_i)²  least, over
neighbours i, j, where w_ij is small across an edge. Solved by conjugate gradients.
Shapes: C channels, h, w pixels.
"""

import numpy as np

EPSILON = 1e-3  # no edge is a wall


def neighbour_weights(maps: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """How much pixels of maps (C, h, w) hold together: (h - 1, w) downwards, (h, w - 1) rightwards.

    exp(-strength * d²), in units of the mean squared difference of all neighbours.
    """
    down = np.square(np.diff(maps, axis=1)).sum(axis=0)
    right = np.square(np.diff(maps, axis=2)).sum(axis=0)
    mean = (down.sum() + right.sum()) / max(1, down.size + right.size)
    scale = -strength / max(float(mean), 1e-12)
    return np.exp(scale * down) + EPSILON, np.exp(scale * right) + EPSILON


def spread(
    prior: np.ndarray,
    pull: np.ndarray,
    weights: tuple[np.ndarray, np.ndarray],
    *,
    steps: int = 60,
    tolerance: float = 1e-3,
) -> np.ndarray:
    """The walker's x (h, w) float32 for a prior (h, w) in 0..1 and how strongly it holds (h, w)."""
    down, right = (weight.astype(np.float32) for weight in weights)
    diagonal = pull.astype(np.float32).copy()
    diagonal[:-1] += down
    diagonal[1:] += down
    diagonal[:, :-1] += right
    diagonal[:, 1:] += right

    def apply(x: np.ndarray) -> np.ndarray:
        out = diagonal * x
        out[:-1] -= down * x[1:]
        out[1:] -= down * x[:-1]
        out[:, :-1] -= right * x[:, 1:]
        out[:, 1:] -= right * x[:, :-1]
        return out

    x = prior.astype(np.float32)
    residual = pull * x - apply(x)
    direction = residual / diagonal  # Jacobi's preconditioner: pulls differ by orders of magnitude
    slope = float((residual * direction).sum())
    start = max(slope, 1e-20)
    for _ in range(steps):
        if slope <= tolerance**2 * start:
            break
        moved = apply(direction)
        length = slope / max(float((direction * moved).sum()), 1e-20)
        x = x + length * direction
        residual = residual - length * moved
        scaled = residual / diagonal
        slope, before = float((residual * scaled).sum()), slope
        direction = scaled + slope / before * direction
    return x
