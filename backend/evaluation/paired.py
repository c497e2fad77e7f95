"""How far two ways of predicting the same tasks differ in mIoU, with intervals.

Tasks are resampled, never pixels or pages: what belongs to one task is not independent. Shapes: T
tasks, L labels, B resamples.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from backend.evaluation.agreement import Agreements

CONFIDENCE = 0.95
N_RESAMPLES = 10_000
SEED = 0  # equal numbers for equal tasks

Counts = NDArray[np.float64]  # (T, L, 2): pixels that both hold, pixels that either holds


@dataclass(frozen=True)
class Difference:
    """In mIoU of all tasks, 0..1; low to high is the interval of CONFIDENCE."""

    mean: float
    low: float
    high: float
    n_tasks: int

    @property
    def is_gain(self) -> bool:
        return self.low > 0

    def widened(self, times: float) -> "Difference":
        """The same with an interval that reaches so many times as far."""
        low, high = (self.mean + times * (end - self.mean) for end in (self.low, self.high))
        return replace(self, low=low, high=high)


def counts_of(tasks: Sequence[Agreements], labels: Sequence[str]) -> Counts:
    """What mIoU is computed from; a label that was not compared in a task counts nothing there."""
    counts = np.zeros((len(tasks), len(labels), 2))
    for row, task in zip(counts, tasks, strict=True):
        for cell, label in zip(row, labels, strict=True):
            if found := task.get(label):
                cell[:] = found.common_px, found.common_px + found.missed_px + found.excess_px
    return counts


def miou(counts: Counts, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Mean IoU over the labels that a sample bears, (B,); `weights` (B, T) or one of each task.

    A sample in which no label is drawn or predicted has 0.
    """
    weights = np.ones((1, len(counts))) if weights is None else weights
    common, either = np.moveaxis(np.tensordot(weights, counts, axes=1), -1, 0)  # (B, L) each
    is_borne = either > 0
    iou = np.divide(common, either, out=np.zeros_like(common), where=is_borne)
    means: NDArray[np.float64] = iou.sum(axis=1) / np.maximum(is_borne.sum(axis=1), 1)
    return means


def gain_of(before: Counts, after: Counts) -> float:
    """mIoU of `after` less that of `before`."""
    return float(miou(after)[0] - miou(before)[0])


def standard_error(before: Counts, after: Counts) -> float:
    """Of the gain, by the jackknife over T > 1 tasks (Efron and Tibshirani 1993, chapter 11)."""
    n_tasks = len(before)
    without_one = np.ones((n_tasks, n_tasks)) - np.eye(n_tasks)
    gains = miou(after, without_one) - miou(before, without_one)
    return float(gains.std() * math.sqrt(n_tasks - 1))


def compare(before: Counts, after: Counts) -> Difference:
    """The gain of `after` over `before` on the same T > 1 tasks, by a paired bootstrap.

    The interval is the expanded percentile one (Hesterberg 2015, "What Teachers Should Know About
    the Bootstrap"): plain percentiles are too narrow for a dozen tasks.
    """
    n_tasks = len(before)
    samples = np.random.default_rng(SEED).multinomial(
        n_tasks, np.full(n_tasks, 1 / n_tasks), size=N_RESAMPLES
    )
    weights = samples.astype(np.float64)
    gains = miou(after, weights) - miou(before, weights)
    low, high = np.quantile(gains, expanded_tails(n_tasks))
    return Difference(gain_of(before, after), float(low), float(high), n_tasks)


def expanded_tails(n_tasks: int) -> tuple[float, float]:
    """The two quantiles of resamples that bound the interval, wider the fewer the tasks."""
    reach = float(student_t.ppf((1 + CONFIDENCE) / 2, n_tasks - 1))
    tail = NormalDist().cdf(-reach * math.sqrt(n_tasks / (n_tasks - 1)))
    return tail, 1 - tail
