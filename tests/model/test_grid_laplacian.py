"""Linear systems on a grid of pixels, against the dense solution."""

import pytest
import torch

from model.grid_laplacian import GridWeights, solve_anchored


def dense_system(anchors, weights):
    """The matrix (h * w, h * w) of diag(anchors) + Laplacian."""
    height, width = anchors.shape
    matrix = torch.diag(anchors.flatten())
    links = [
        ((y, x), (y, x + 1), weights.right[y, x]) for y in range(height) for x in range(width - 1)
    ]
    links += [
        ((y, x), (y + 1, x), weights.down[y, x]) for y in range(height - 1) for x in range(width)
    ]
    for (y0, x0), (y1, x1), weight in links:
        a, b = width * y0 + x0, width * y1 + x1
        matrix[[a, b], [a, b]] += weight
        matrix[[a, b], [b, a]] -= weight
    return matrix


def random_system(size_hw, scale=1.0):
    """Values (2, h, w), anchors (h, w) and weights; `scale` sets the first anchor apart."""
    generator = torch.Generator().manual_seed(0)
    height, width = size_hw
    anchors = torch.rand(height, width, generator=generator) + 0.1
    anchors[0, 0] *= scale
    weights = GridWeights(
        down=torch.rand(height - 1, width, generator=generator),
        right=torch.rand(height, width - 1, generator=generator),
    )
    return torch.rand(2, height, width, generator=generator), anchors, weights


@pytest.mark.parametrize("precondition", [False, True])
@pytest.mark.parametrize("size_hw", [(3, 3), (1, 5), (5, 1), (1, 1), (4, 7)])
def test_the_solver_solves_its_system(size_hw, precondition):
    values, anchors, weights = random_system(size_hw)
    found = solve_anchored(values, anchors, weights, steps=25, precondition=precondition)
    target = (anchors * values).flatten(1).T
    exact = torch.linalg.solve(dense_system(anchors, weights), target).T.view_as(values)
    torch.testing.assert_close(found, exact, atol=1e-4, rtol=1e-4)


def test_preconditioning_solves_anchors_of_very_different_size_sooner():
    values, anchors, weights = random_system((6, 6), scale=1e5)
    target = (anchors * values).flatten(1).T
    exact = torch.linalg.solve(dense_system(anchors, weights), target).T.view_as(values)
    errors = [
        (solve_anchored(values, anchors, weights, steps=8, precondition=one) - exact).abs().max()
        for one in (False, True)
    ]
    assert errors[1] < 0.1 * errors[0]


def test_a_loose_tolerance_stops_before_the_last_step():
    values, anchors, weights = random_system((6, 6))
    loose = solve_anchored(values, anchors, weights, steps=50, tolerance=0.9)
    assert not torch.allclose(loose, solve_anchored(values, anchors, weights, steps=50), atol=1e-4)
    assert torch.equal(loose, solve_anchored(values, anchors, weights, steps=1))
