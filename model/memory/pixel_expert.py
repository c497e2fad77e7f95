"""What pixels say: extremely randomized trees on the appearance of the lessons' samples.

Geurts et al. 2006, by scikit-learn. The expert is the union of a few forests, each of which leaves
some lessons out, so that its own held-out answers cost no further training.
Shapes: S samples, F features, L labels with the background last, n pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from torch import Tensor

N_TREES = 25  # of all forests together: 50 gain 0.003 of mIoU and take twice as long
MIN_SAMPLES_LEAF = 3
MIN_PROB = 0.005  # a label that the trees exclude may still be there


@dataclass(frozen=True, eq=False)
class PixelExpert:
    forests: Sequence[ExtraTreesClassifier]
    n_labels: int  # L

    def probs(self, features: NDArray[np.float32]) -> Tensor:
        """Probs (n, L) of pixels (n, F), the mean of the forests."""
        probs = np.zeros((len(features), self.n_labels), dtype=np.float32)
        for forest in self.forests if len(features) else ():  # scikit-learn refuses none
            probs[:, forest.classes_] += forest.predict_proba(features) / len(self.forests)
        return torch.from_numpy(probs)


def fit_forest(
    features: Tensor, owners: Tensor, masses: Tensor, *, n_trees: int, seed: int
) -> ExtraTreesClassifier:
    """A forest of samples (S, F) that belong to labels (S,) and stand for areas (S,).

    A label weighs the square root of its area: all the same would paint rare ones everywhere, and
    as large as they are would forget them.
    """
    totals = torch.bincount(owners, masses).clamp_min(1e-12)
    weights = masses / totals.sqrt()[owners]
    forest = ExtraTreesClassifier(n_trees, min_samples_leaf=MIN_SAMPLES_LEAF, random_state=seed)
    return forest.fit(features.numpy(), owners.numpy(), (weights / weights.mean()).numpy())


def log_probs(probs: Tensor) -> Tensor:
    """Of probs (n, C), with MIN_PROB of each class mixed in."""
    return ((probs + MIN_PROB) / (1 + MIN_PROB * probs.shape[1])).log()
