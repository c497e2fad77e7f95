"""Calibration of a memory's predictions by cross-validation between its lessons.

A label that is predicted more often than people paint it gets a lower logit, one that is missed a
higher one; the log-probs are then divided by the temperature of the lowest cross-entropy. Both are
found by counting and by trying, without gradients. What it gains: benchmarks/README.md
("Corrections", "no calibration").
Shapes: N keys, C classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

STEPS = 5
MAX_BIAS = 1.0
# Of the bias that would make predicted and true shares agree: mIoU counts rare labels as much as
# frequent ones. A heuristic of ours.
BIAS_SHRINKAGE = 0.5
TEMPERATURES = (0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0)
MIN_LESSONS = 3  # of which some are held out from the others


@dataclass(frozen=True, eq=False)
class Calibration:
    bias: Tensor  # (C,), added to the logits: a threshold of its own for each class
    temperature: float = 1.0  # the log-probs are divided by it in the end


def fit_calibration(
    log_probs: Tensor, classes: Tensor, weights: Tensor, n_lessons: int
) -> Calibration:
    """The calibration for held-out log-probs (N, C) of keys of classes (N,), weighted by (N,)."""
    n_classes = log_probs.shape[1]
    bias = log_probs.new_zeros(n_classes)
    if n_lessons < MIN_LESSONS or not len(classes):
        return Calibration(bias)
    true = torch.bincount(classes, weights, minlength=n_classes)
    smoothing = weights.mean()  # one average key for each class bounds the ratio of rare ones
    share = n_lessons / (n_lessons + 10)
    for _ in range(STEPS):
        predicted = weights @ (log_probs + bias).softmax(dim=1)
        bias = bias + share * ((true + smoothing) / (predicted + smoothing)).log()
        bias = bias.clamp(-MAX_BIAS, MAX_BIAS)
    bias = BIAS_SHRINKAGE * bias

    def cross_entropy(temperature: float) -> float:
        log_prob = ((log_probs + bias) / temperature).log_softmax(1).gather(1, classes[:, None])
        return float(-(weights * log_prob[:, 0]).sum())

    return Calibration(bias, min(TEMPERATURES, key=cross_entropy))
