"""Calibration of probs: of the cells that got prob 0.7, are 70% right?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.annotators import Project, larger
from benchmarks.datasets import IGNORE
from model import Memory

BINS = 10


@dataclass(frozen=True)
class Bin:
    prob: float  # mean over its cells
    right: float  # share of them that are right
    share: float  # of all cells


def reliability(project: Project, images: Sequence[int], memory: Memory | None) -> list[Bin]:
    """The predictions on these images, binned by the prob of the predicted class."""
    sums = np.zeros((3, BINS))  # cells, probs, right
    for index in images:
        one = project.studied[index]
        probs = larger(project.probs(one.features, one.image, memory) if memory else one.text_probs)
        best, decided = (values.numpy() for values in probs.max(dim=0))
        known = one.small_truth != IGNORE
        right = project.classes(decided) == one.small_truth
        bins = np.minimum((best * BINS).astype(int), BINS - 1)[known]
        for row, values in enumerate((np.ones_like(best), best, right)):
            sums[row] += np.bincount(bins, values[known], minlength=BINS)
    cells = np.maximum(sums[0], 1)
    rows = zip(sums[1] / cells, sums[2] / cells, sums[0] / sums[0].sum(), strict=True)
    return [Bin(float(prob), float(right), float(share)) for prob, right, share in rows]


def expected_error(bins: Sequence[Bin]) -> float:
    """Mean distance of prob and share right, weighted by how many cells there are."""
    return sum(one.share * abs(one.prob - one.right) for one in bins)
