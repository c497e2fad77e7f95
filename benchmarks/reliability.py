"""Calibration of probs: of the pixels that got prob 0.7, are 70% right?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.annotators import Project
from benchmarks.datasets import IGNORE
from model import Memory

BINS = 10


@dataclass(frozen=True)
class Bin:
    prob: float  # mean over its pixels
    right: float  # share of them that are right
    share: float  # of all pixels


def reliability(project: Project, images: Sequence[int], memory: Memory | None) -> list[Bin]:
    """The predictions on these images, binned by the prob of the predicted class."""
    sums = np.zeros((3, BINS))  # pixels, probs, right
    for index in images:
        truth = project.studied[index].truth
        decided, best = project.label_pixels(index, memory)
        known = truth != IGNORE
        right = decided == truth
        bins = np.minimum((best * BINS).astype(int), BINS - 1)[known]
        for row, values in enumerate((np.ones_like(best), best, right)):
            sums[row] += np.bincount(bins, values[known], minlength=BINS)
    pixels = np.maximum(sums[0], 1)
    rows = zip(sums[1] / pixels, sums[2] / pixels, sums[0] / sums[0].sum(), strict=True)
    return [Bin(float(prob), float(right), float(share)) for prob, right, share in rows]


def expected_error(bins: Sequence[Bin]) -> float:
    """Mean distance of prob and share right, weighted by how many pixels there are."""
    return sum(one.share * abs(one.prob - one.right) for one in bins)
