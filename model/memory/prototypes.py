"""Prototypes: a label is the mean of its keys, and what sets it apart from the others is linear.

Gaussian discriminant analysis with one covariance for all labels, after Wang et al. (2402.04087):
closed form, no gradient. A label's logit is the log-ratio of its Gaussian and the average patch's.
Shapes: N keys, E channels of the joint space, L labels with "none of them" last, G lessons.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

RIDGE = 0.2  # share of a round covariance
BALANCE = 0.5  # a label's weight is its mass to this power: 1 as large as it is, 0 all the same
FOLDS = 5  # of lessons, when they judge each other
DOUBTED_BELOW = 0.6  # of the median agreement
SMALLEST_TRUST = 0.02


@dataclass(frozen=True, eq=False)
class Prototypes:
    middle: Tensor  # (E,), of all keys
    weight: Tensor  # (E, L)
    offset: Tensor  # (L,)

    def logits(self, points: Tensor) -> Tensor:
        """(n, L) of points (n, E); 0 says no more than the average patch does."""
        return (points - self.middle) @ self.weight + self.offset


@dataclass(frozen=True, eq=False)
class Scatter:
    """What a covariance needs to know of the keys."""

    middle: Tensor  # (E,)
    factor: Tensor  # (E, E), Cholesky factor of the covariance within labels


def fit(keys: Tensor, owners: Tensor, weights: Tensor, n_labels: int) -> Prototypes:
    """Prototypes of keys (N, E) that belong to labels (N,), by their weights (N,)."""
    scatter = scatter_of(keys, owners, weights, n_labels)
    return discriminant(scatter, *label_sums(keys, owners, weights, n_labels))


def label_sums(
    keys: Tensor, owners: Tensor, weights: Tensor, n_labels: int
) -> tuple[Tensor, Tensor]:
    """Weighted sums (L, E) of each label's keys, and of the weights (L,)."""
    share = F.one_hot(owners, n_labels).float() * weights[:, None]  # (N, L)
    return share.T @ keys, share.sum(dim=0)


def scatter_of(keys: Tensor, owners: Tensor, weights: Tensor, n_labels: int) -> Scatter:
    sums, totals = label_sums(keys, owners, weights, n_labels)
    means = sums / totals.clamp_min(1e-12)[:, None]
    balanced = weights * totals.clamp_min(1e-12)[owners] ** (BALANCE - 1)
    balanced = balanced / balanced.sum().clamp_min(1e-12)
    apart = (keys - means[owners]) * balanced.sqrt()[:, None]
    covariance = apart.T @ apart
    size = float(covariance.diagonal().mean())
    # Keys that are all alike have no covariance: then only the distance counts.
    covariance = (1 - RIDGE) * covariance
    covariance.diagonal().add_(RIDGE * size + 1e-4)
    return Scatter((balanced[:, None] * keys).sum(dim=0), torch.linalg.cholesky(covariance))


def discriminant(scatter: Scatter, sums: Tensor, totals: Tensor) -> Prototypes:
    """The prototypes of labels with sums (L, E) and totals (L,); one without keys says nothing."""
    apart = sums / totals.clamp_min(1e-12)[:, None] - scatter.middle
    apart = apart * (totals > 0)[:, None]
    weight = torch.cholesky_solve(apart.T, scatter.factor)  # (E, L)
    return Prototypes(scatter.middle, weight, -0.5 * (apart * weight.T).sum(dim=1))


def trust_of_lessons(
    keys: Tensor, owners: Tensor, weights: Tensor, lessons: Tensor, n_labels: int, evidence: float
) -> Tensor:
    """How far (G,) each lesson is to be believed, 0..1, by what the others say of its keys.

    A lesson that agrees much less with the rest than lessons do among each other is wrong, or a
    rare case; of a label that no other lesson teaches, nobody can say.
    """
    n_lessons = int(lessons.max()) + 1
    if n_lessons < 3:  # of two, either may be right
        return torch.ones(n_lessons)
    held_out, seen = held_out_logits(keys, owners, weights, lessons, n_labels)
    judged = seen.gather(1, owners[:, None])[:, 0]  # (N,)
    probs = (held_out * evidence).masked_fill(~seen, -torch.inf).softmax(dim=1)
    right = probs.gather(1, owners[:, None])[:, 0] * judged
    share = weights * judged
    totals = torch.zeros(n_lessons, n_labels)
    totals.view(-1).index_add_(0, lessons * n_labels + owners, share)
    rights = torch.zeros_like(totals)
    rights.view(-1).index_add_(0, lessons * n_labels + owners, share * right)
    known = totals > 0
    of_labels = rights / totals.clamp_min(1e-12)
    agreement = of_labels.sum(dim=1) / known.sum(dim=1).clamp_min(1)
    is_judged = known.any(dim=1)
    if not is_judged.any():
        return torch.ones(n_lessons)
    usual = agreement[is_judged].median().clamp_min(1e-6)
    trust = (agreement / (DOUBTED_BELOW * usual)).clamp(0, 1).pow(3)
    return torch.where(is_judged, trust.clamp_min(SMALLEST_TRUST), torch.ones(()))


def held_out_logits(
    keys: Tensor, owners: Tensor, weights: Tensor, lessons: Tensor, n_labels: int
) -> tuple[Tensor, Tensor]:
    """Logits (N, L) of each key by the prototypes of other lessons, and which labels those know."""
    scatter = scatter_of(keys, owners, weights, n_labels)
    folds = lessons % FOLDS
    sums, totals = label_sums(keys, owners, weights, n_labels)
    logits = keys.new_zeros(len(keys), n_labels)
    seen = torch.zeros(len(keys), n_labels, dtype=torch.bool)
    for fold in range(FOLDS):
        own = folds == fold
        if not own.any():
            continue
        own_sums, own_totals = label_sums(keys[own], owners[own], weights[own], n_labels)
        rest = (totals - own_totals).where(
            torch.zeros(n_labels).index_add(0, owners[~own], torch.ones(int((~own).sum()))) > 0,
            torch.zeros(()),
        )
        logits[own] = discriminant(scatter, sums - own_sums, rest).logits(keys[own])
        seen[own] = rest > 0
    return logits, seen
