"""Linear systems on the 4-neighbor grid of an image, solved by conjugate gradients.

Both PEARL's propagation of logits and the random walker of clicks minimize

    sum_i a_i (x_i - v_i)² + sum_ij w_ij (x_i - x_j)²      over pixels i and their neighbors j,

values v that are held by anchors a, and weights w that let them spread: (diag(a) + L) x = a * v
with the grid's graph Laplacian L.
Shapes: R maps, h, w pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

TINY = 1e-20  # keeps quotients of vanishing residuals finite


@dataclass(frozen=True, eq=False)
class GridWeights:
    """Weights of neighboring pixels, above 0."""

    down: Tensor  # (h - 1, w), of each pixel and the one below
    right: Tensor  # (h, w - 1), of each pixel and the one to the right


def solve_anchored(
    values: Tensor,
    anchors: Tensor,
    weights: GridWeights,
    *,
    steps: int,
    tolerance: float = 0.0,
    precondition: bool = False,
) -> Tensor:
    """The x (R, h, w) of (diag(a) + L) x = a * v, for values v (R, h, w) and anchors a (h, w).

    Conjugate gradients from x = v, until the residual has shrunk to `tolerance` of its start.
    `precondition` divides by the diagonal (Jacobi), for anchors of very different size.
    """
    diagonal = anchors + _degrees(weights)

    def system(x: Tensor) -> Tensor:
        out = diagonal * x
        out[:, :-1].addcmul_(weights.down, x[:, 1:], value=-1)
        out[:, 1:].addcmul_(weights.down, x[:, :-1], value=-1)
        out[:, :, :-1].addcmul_(weights.right, x[:, :, 1:], value=-1)
        out[:, :, 1:].addcmul_(weights.right, x[:, :, :-1], value=-1)
        return out

    return conjugate_gradients(
        system,
        anchors * values,
        values,
        steps=steps,
        tolerance=tolerance,
        diagonal=diagonal if precondition else None,
    )


def conjugate_gradients(
    system: Callable[[Tensor], Tensor],
    target: Tensor,
    start: Tensor,
    *,
    steps: int,
    tolerance: float = 0.0,
    diagonal: Tensor | None = None,
) -> Tensor:
    """The x of system(x) = target, for a symmetric positive definite linear map.

    With the diagonal of the system given, preconditioned by it (Saad 2003, algorithm 9.1).
    """
    x = start
    residual = target - system(x)
    scaled = residual if diagonal is None else residual / diagonal
    direction = scaled
    slope = float((residual * scaled).sum())
    stop = tolerance**2 * max(slope, TINY)
    for _ in range(steps):
        if slope <= stop:
            break
        moved = system(direction)
        length = slope / max(float((direction * moved).sum()), TINY)
        x = x + length * direction
        residual = residual - length * moved
        scaled = residual if diagonal is None else residual / diagonal
        before, slope = slope, float((residual * scaled).sum())
        direction = scaled + slope / before * direction
    return x


def _degrees(weights: GridWeights) -> Tensor:
    """Sum of the weights at each pixel, (h, w)."""
    height, width = weights.right.shape[0], weights.down.shape[1]
    degrees = torch.zeros(height, width).to(weights.down)
    degrees[:-1] += weights.down
    degrees[1:] += weights.down
    degrees[:, :-1] += weights.right
    degrees[:, 1:] += weights.right
    return degrees
