"""What patches say: prototypes and neighbors of the lessons' keys.

Prototypes are one linear map, which generalizes; neighbors are a kernel density of the keys
themselves (after Tip-Adapter, 2207.09519), which recalls what was seen. The more lessons there are,
the more the prototypes count. No gradient anywhere.
Shapes: N keys, E channels of the tokens, L labels with the background last, n points.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from model.memory.keys import Keys
from model.memory.prototypes import Prototypes, fit_prototypes

MIN_DENSITY_SHARE = 0.01  # of all labels' density: a label without a key nearby is not excluded


@dataclass(frozen=True)
class PatchConfig:
    """How much each part counts, chosen by benchmarks.corrections (benchmarks/README.md); a weight
    of 0 switches a part off."""

    prototype_weight: float = 0.4  # of the prototypes' logits, with many lessons
    prototype_lessons: float = 3.0  # lessons after the first at which they have half of it
    neighbor_weight: float = 0.75  # of the neighbors' log-densities
    neighbor_sharpness: float = 20.0  # of the kernel exp(sharpness * (cosine - 1))
    mass_power: float = 0.5  # how far a label's density grows with its mass, 0..1
    familiar_keys: float = 0.2  # keys at a point that halve the probs of untaught classes


@dataclass(frozen=True, eq=False)
class PatchExpert:
    config: PatchConfig
    keys: Keys
    weights: Tensor  # (N,)
    n_labels: int  # L
    n_lessons: int

    def without(self, lessons: Tensor) -> "PatchExpert":
        """The expert of the other lessons: `lessons` (G,) bool are held out."""
        kept = ~lessons[self.keys.lessons]
        n_left = int((~lessons).sum())
        return replace(
            self, keys=self.keys.where(kept), weights=self.weights[kept], n_lessons=n_left
        )

    @property
    def n_channels(self) -> int:
        return int(self.keys.vectors.shape[1])

    @property
    def is_taught(self) -> Tensor:
        """(L,) bool: the labels that have keys."""
        return torch.bincount(self.keys.owners, minlength=self.n_labels) > 0

    @cached_property
    def prototypes(self) -> Prototypes:
        return fit_prototypes(self.keys.vectors, self.keys.owners, self.weights, self.n_labels)

    @property
    def prototype_weight(self) -> float:
        """Grows with the lessons, 0 for one: one image alone shows no covariance."""
        others = max(0, self.n_lessons - 1)
        return self.config.prototype_weight * (others / (others + self.config.prototype_lessons))

    def logits(self, points: Tensor, is_used: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, L) of points (n, E) of unit length, and familiarity (n,), 0..1.

        `is_used` (L,) bool: labels that a vocabulary still has; the others neither get a logit that
        means anything nor make a point familiar.
        """
        densities, n_near = self.neighbors(points)  # (n, L), (n, L)
        densities = densities * is_used
        floor = MIN_DENSITY_SHARE * densities.sum(dim=1, keepdim=True) + 1e-12
        logits = self.prototypes.logits(points) * self.prototype_weight
        logits = logits + self.config.neighbor_weight * (densities + floor).log()
        near = (n_near * is_used).sum(dim=1)
        return logits, near / (near + self.config.familiar_keys)

    def neighbors(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Kernel density (n, L) of each label's keys at points (n, E), and (n, L) keys near."""
        cosine = F.normalize(points - self.mean_key, dim=1) @ self.centered_keys.T
        kernel = cosine.sub_(1).mul_(self.config.neighbor_sharpness).exp_()  # (n, N)
        is_owner = F.one_hot(self.keys.owners, self.n_labels).float()
        totals = self.weights @ is_owner  # (L,)
        sizes = (totals / totals.max()) ** self.config.mass_power / totals.clamp_min(1e-12)
        shares = is_owner * self.weights[:, None] * sizes
        both = kernel @ torch.cat([shares, is_owner], dim=1)
        return both[:, : self.n_labels], both[:, self.n_labels :]

    @cached_property
    def mean_key(self) -> Tensor:
        """(E,), weighted."""
        return (self.keys.vectors * self.weights[:, None]).sum(dim=0) / self.weights.sum()

    @cached_property
    def centered_keys(self) -> Tensor:
        return F.normalize(self.keys.vectors - self.mean_key, dim=1)
