"""The filter inside pydensecrf2, written again: a Gaussian on a permutohedral lattice.

Adams, Baek & Davis (2010), as in Krähenbühl's code: each pixel is spread over the corners of the
simplex that its features fall into, the corners are blurred along d + 1 directions, and read back.
In float64: with this filter in place of the exact sums, ours gives pydensecrf2's labels, so what
tells ours and pydensecrf2 apart is what the lattice approximates.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from model.refine.crf import CrfConfig, pixel_features, to_points

MOVES = 20.0  # stds, many cells: where a moved lattice's origin may lie


def lattice_mean_field(
    unary: Tensor, rgb: Tensor, config: CrfConfig, moved_by: torch.Generator | None = None
) -> Tensor:
    """Mean field (K, h, w) from log-probs (K, h, w) and colors (3, h, w), levels 0 to 255.

    Symmetric, with the self term, Potts. `moved_by` draws another origin for the lattices, which
    would change nothing if their sums were exact.
    """
    height, width = rgb.shape[1:]
    appearance = pixel_features(rgb.double(), config, (height, width))  # (N, 5)
    appearance[:, :2] -= appearance[
        0, :2
    ].clone()  # the authors' code has the first pixel at (0, 0)
    smoothness = appearance[:, :2] * (config.appearance_xy_std / config.smoothness_xy_std)
    kernels = []
    for features, weight in (
        (smoothness, config.smoothness_weight),
        (appearance, config.appearance_weight),
    ):
        if moved_by is not None:
            features = features + MOVES * torch.rand(features.shape[1], generator=moved_by)
        # x before y, as in the authors' code: a lattice is not the same both ways.
        sums = lattice_filter(torch.cat([features[:, :2].flip(1), features[:, 2:]], dim=1))
        scale = sums(torch.ones(len(features), 1)).rsqrt()
        kernels.append((sums, scale, weight))
    logs = to_points(unary.double())  # (N, K)
    probs = logs.softmax(dim=1)
    for _ in range(config.iterations):
        messages = [weight * scale * sums(scale * probs) for sums, scale, weight in kernels]
        probs = (logs + sum(messages)).softmax(dim=1)
    return probs.T.reshape(unary.shape)


def lattice_filter(features: Tensor) -> Callable[[Tensor], Tensor]:
    """Sums over all pixels with the lattice's kernel: (N, C) -> (N, C), for features (N, d)."""
    n_dims = features.shape[1]
    corners, weights = simplex(features.double())  # (N, d + 1, d + 1), (N, d + 1)
    vertices, vertex = corners.flatten(0, 1).unique(dim=0, return_inverse=True)
    vertex = vertex.view(len(features), n_dims + 1)
    steps = [torch.ones(n_dims + 1, dtype=torch.long) for _ in range(n_dims + 1)]
    for axis, step in enumerate(steps):
        step[axis] = -n_dims
    neighbors = [(find(vertices, vertices + s), find(vertices, vertices - s)) for s in steps]

    def sums(values: Tensor) -> Tensor:
        spread = weights[..., None] * values.double()[:, None]  # (N, d + 1, C)
        # A vertex more, always 0, stands for those that no pixel is near: blur is lost there.
        on_lattice = spread.new_zeros(len(vertices) + 1, values.shape[1])
        on_lattice.index_add_(0, vertex.flatten(), spread.flatten(0, 1))
        for one, other in neighbors:
            blurred = on_lattice[:-1] + (on_lattice[one] + on_lattice[other]) / 2
            on_lattice = torch.cat([blurred, on_lattice[-1:]])
        read = (weights[..., None] * on_lattice[vertex]).sum(dim=1)
        return read / (1 + 2.0**-n_dims)

    return sums


def simplex(features: Tensor) -> tuple[Tensor, Tensor]:
    """Corners (N, d + 1, d + 1) of each point's simplex, whole numbers, and its weights in them."""
    n_dims = features.shape[1]
    side = n_dims + 1
    i = torch.arange(1.0, side, dtype=torch.float64)
    scaled = features * (2 / 3) ** 0.5 * side / (i * (i + 1)).sqrt()
    # Onto the plane of d + 1 coordinates that sum to 0.
    after = scaled.flip(1).cumsum(dim=1).flip(1)  # (N, d): own and later ones
    later = torch.cat([after[:, 1:], torch.zeros_like(after[:, :1])], dim=1)
    place = torch.cat([after[:, :1], later - i * scaled], dim=1)

    origin = (place / side).round() * side
    excess = (origin.sum(dim=1, keepdim=True) / side).round().long()
    by_remainder = (place - origin).argsort(dim=1, descending=True, stable=True)
    rank = by_remainder.argsort(dim=1) + excess
    origin = origin + side * ((rank < 0).double() - (rank > n_dims).double())
    rank = rank % side

    # Weights are the gaps between sorted remainders.
    remainder = (place - origin) / side
    ordered = torch.zeros_like(remainder).scatter(1, rank, remainder)  # largest first
    gaps = ordered[:, :-1] - ordered[:, 1:]  # between rank r and r + 1: of corner d - r
    weights = torch.cat([1 - gaps.sum(dim=1, keepdim=True), gaps.flip(1)], dim=1)

    number = torch.arange(side)[:, None]  # corner k adds k to the first, k - d - 1 to the last
    canonical = torch.where(torch.arange(side) <= n_dims - number, number, number - side)
    corners = origin.long()[:, None] + canonical[:, rank].transpose(0, 1)
    return corners, weights


def find(vertices: Tensor, wanted: Tensor) -> Tensor:
    """Index (V,) of each wanted row among the vertices; V, one past the last, if it is not."""
    index = {tuple(row): i for i, row in enumerate(vertices.tolist())}
    return torch.tensor([index.get(tuple(row), len(vertices)) for row in wanted.tolist()])
