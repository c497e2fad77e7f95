"""Prototypes: a label is the mean of its keys, and a linear map discriminates the labels.

Gaussian discriminant analysis with one covariance for all labels (Wang et al., 2402.04087): closed
form, no gradient. A label's logit is the log-ratio of its Gaussian and that of the mean of all
keys.
Shapes: N keys, E channels of the tokens, L labels with the background last.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Chosen, as the weights of MemoryConfig, by benchmarks.corrections.
RIDGE = 0.2  # share of a round covariance
# A label weighs its mass to this power in the covariance: 1 as large as it is, 0 all the same.
MASS_POWER = 0.5


@dataclass(frozen=True, eq=False)
class Prototypes:
    mean: Tensor  # (E,), of all keys
    weight: Tensor  # (E, L)
    offset: Tensor  # (L,)

    def logits(self, points: Tensor) -> Tensor:
        """(n, L) of points (n, E); 0 is what the mean of all keys gets."""
        return (points - self.mean) @ self.weight + self.offset


@dataclass(frozen=True, eq=False)
class Scatter:
    """Mean of the keys, and their covariance within labels."""

    mean: Tensor  # (E,)
    cholesky: Tensor  # (E, E), factor of the covariance


def fit_prototypes(keys: Tensor, owners: Tensor, weights: Tensor, n_labels: int) -> Prototypes:
    """Prototypes of keys (N, E) that belong to labels (N,), by their weights (N,)."""
    scatter = scatter_within_labels(keys, owners, weights, n_labels)
    return discriminant(scatter, *label_sums(keys, owners, weights, n_labels))


def label_sums(
    keys: Tensor, owners: Tensor, weights: Tensor, n_labels: int
) -> tuple[Tensor, Tensor]:
    """Weighted sums (L, E) of each label's keys, and of the weights (L,)."""
    share = F.one_hot(owners, n_labels).float() * weights[:, None]  # (N, L)
    return share.T @ keys, share.sum(dim=0)


def scatter_within_labels(keys: Tensor, owners: Tensor, weights: Tensor, n_labels: int) -> Scatter:
    """Weighted mean and covariance of the keys around the means of their labels."""
    sums, totals = label_sums(keys, owners, weights, n_labels)
    means = sums / totals.clamp_min(1e-12)[:, None]
    balanced = weights * totals.clamp_min(1e-12)[owners] ** (MASS_POWER - 1)
    balanced = balanced / balanced.sum().clamp_min(1e-12)
    centered = (keys - means[owners]) * balanced.sqrt()[:, None]
    covariance = centered.T @ centered
    size = float(covariance.diagonal().mean())
    covariance = (1 - RIDGE) * covariance
    # The constant is for keys that are all equal: then only the distance counts.
    covariance.diagonal().add_(RIDGE * size + 1e-4)
    return Scatter((balanced[:, None] * keys).sum(dim=0), torch.linalg.cholesky(covariance))


def discriminant(scatter: Scatter, sums: Tensor, totals: Tensor) -> Prototypes:
    """The prototypes of labels with sums (L, E) and totals (L,); logit 0 for one without keys."""
    centered = sums / totals.clamp_min(1e-12)[:, None] - scatter.mean
    centered = centered * (totals > 0)[:, None]
    weight = torch.cholesky_solve(centered.T, scatter.cholesky)  # (E, L)
    return Prototypes(scatter.mean, weight, -0.5 * (centered * weight.T).sum(dim=1))
