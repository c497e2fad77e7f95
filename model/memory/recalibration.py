"""Recalibration: thresholds and temperature by how lessons fare with what the others taught.

A label that is claimed more often than people paint it gets a lower logit, one that is missed a
higher one; and all are divided by the temperature under which the probs were truest. Both are found
by counting and by trying, not by gradients.
Shapes: N keys, C classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

STEPS = 5
LARGEST_BIAS = 1.0
MODESTY = 0.5  # of the bias that would make claims and truth agree: mIoU likes rare labels
TEMPERATURES = (0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0)
ENOUGH_LESSONS = 3  # to be held out of each other


@dataclass(frozen=True, eq=False)
class Calibration:
    bias: Tensor  # (C,), added to the logits: a threshold of its own for each class
    temperature: float = 1.0  # the log-probs are divided by it in the end


def recalibrate(log_probs: Tensor, owners: Tensor, weights: Tensor, n_lessons: int) -> Calibration:
    """From held-out log-probs (N, C) of keys that are of class (N,), by their weights (N,)."""
    n_classes = log_probs.shape[1]
    bias = log_probs.new_zeros(n_classes)
    if n_lessons < ENOUGH_LESSONS or not len(owners):
        return Calibration(bias)
    true = torch.bincount(owners, weights, minlength=n_classes)
    # One average key's weight a class keeps rare ones from leaping.
    smoothing = weights.mean()
    share = n_lessons / (n_lessons + 10)
    for _ in range(STEPS):
        claimed = weights @ (log_probs + bias).softmax(dim=1)
        bias = bias + share * ((true + smoothing) / (claimed + smoothing)).log()
        bias = bias.clamp(-LARGEST_BIAS, LARGEST_BIAS)
    bias = MODESTY * bias
    own = owners[:, None]
    surprise = {
        temperature: float(
            -(
                weights * ((log_probs + bias) / temperature).log_softmax(1).gather(1, own)[:, 0]
            ).sum()
        )
        for temperature in TEMPERATURES
    }
    return Calibration(bias, min(surprise, key=lambda t: surprise[t]))
