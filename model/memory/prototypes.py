"""Prototypes: a label is the mean of its keys, and a linear map discriminates the labels.

Gaussian discriminant analysis with one covariance for all labels (Wang et al., 2402.04087): closed
form, no gradient. A label's logit is the log-ratio of its Gaussian and that of the mean of all
keys.
Shapes: N keys, E channels of the joint space, L labels with the background last, G lessons.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Chosen, as the weights of MemoryConfig, by benchmarks.corrections.
RIDGE = 0.2  # share of a round covariance
# A label weighs its mass to this power in the covariance: 1 as large as it is, 0 all the same.
MASS_POWER = 0.5
FOLDS = 5  # of lessons, held out in turn
# Of the median agreement between lessons: a lesson that agrees less with the others counts less. A
# heuristic of ours; what one wrong lesson costs: benchmarks/README.md, "Corrections".
RELIABLE_AGREEMENT = 0.6
MIN_RELIABILITY = 0.02


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


def lesson_reliability(
    keys: Tensor,
    owners: Tensor,
    weights: Tensor,
    lessons: Tensor,
    *,
    n_labels: int,
    n_lessons: int,
    logit_weight: float,
) -> Tensor:
    """Weight (G,) of each lesson, 0..1, by how far the other lessons predict its keys' labels.

    The agreement of a lesson is the mean over its labels of the held-out prob of the right one; one
    below RELIABLE_AGREEMENT of the median is weighted down by the cube of the ratio. Labels that no
    other lesson teaches do not count, and two lessons alone cannot judge each other.
    """
    if n_lessons < 3:
        return torch.ones(n_lessons)
    held_out, is_known = held_out_logits(keys, owners, weights, lessons, n_labels)
    is_judged = is_known.gather(1, owners[:, None])[:, 0]  # (N,)
    probs = (held_out * logit_weight).masked_fill(~is_known, -torch.inf).softmax(dim=1)
    right = probs.gather(1, owners[:, None])[:, 0] * is_judged
    share = weights * is_judged
    totals, rights = torch.zeros(n_lessons, n_labels), torch.zeros(n_lessons, n_labels)
    totals.view(-1).index_add_(0, lessons * n_labels + owners, share)
    rights.view(-1).index_add_(0, lessons * n_labels + owners, share * right)
    has_label = totals > 0
    by_label = rights / totals.clamp_min(1e-12)
    agreement = by_label.sum(dim=1) / has_label.sum(dim=1).clamp_min(1)
    has_agreement = has_label.any(dim=1)
    if not has_agreement.any():
        return torch.ones(n_lessons)
    usual = agreement[has_agreement].median().clamp_min(1e-6)
    reliability = (agreement / (RELIABLE_AGREEMENT * usual)).clamp(0, 1).pow(3)
    return torch.where(has_agreement, reliability.clamp_min(MIN_RELIABILITY), torch.ones(()))


def held_out_logits(
    keys: Tensor, owners: Tensor, weights: Tensor, lessons: Tensor, n_labels: int
) -> tuple[Tensor, Tensor]:
    """Logits (N, L) of each key by the prototypes of other lessons, and (N, L) bool: labels that
    those teach."""
    scatter = scatter_within_labels(keys, owners, weights, n_labels)
    folds = lessons % FOLDS
    sums, totals = label_sums(keys, owners, weights, n_labels)
    logits = keys.new_zeros(len(keys), n_labels)
    is_known = torch.zeros(len(keys), n_labels, dtype=torch.bool)
    for fold in range(FOLDS):
        own = folds == fold
        if not own.any():
            continue
        own_sums, own_totals = label_sums(keys[own], owners[own], weights[own], n_labels)
        others = torch.bincount(owners[~own], minlength=n_labels) > 0
        rest = (totals - own_totals).where(others, torch.zeros(()))
        logits[own] = discriminant(scatter, sums - own_sums, rest).logits(keys[own])
        is_known[own] = rest > 0
    return logits, is_known
