"""How far each lesson is believed, by how well the other lessons predict it.

A heuristic of ours against wrong annotations; what one costs: benchmarks/README.md, "Corrections".
Shapes: N points, L labels with the background last, G lessons.
"""

import torch
from torch import Tensor

from model.memory.held_out import FoldAnswers
from model.memory.joined_samples import Points
from model.memory.pixel_expert import log_probs

PATCH_WEIGHT = 0.4  # of the patches' log-probs, whose density is too sure of itself
PIXEL_WEIGHT = 0.6
# A lesson that agrees with the others less than this share of the usual counts less, by the cube.
RELIABLE_AGREEMENT = 0.6
MIN_RELIABILITY = 0.001
MIN_LESSONS = 3  # two alone cannot judge each other


def lesson_reliability(answers: FoldAnswers, points: Points, n_lessons: int) -> Tensor:
    """Weight (G,) of each lesson, 0..1.

    The agreement of a lesson on one of its labels is the mean held-out prob of that label there, by
    the usual one of the label, the median of all lessons: some labels are hard for everyone. Labels
    that no other lesson teaches do not count.
    """
    if n_lessons < MIN_LESSONS:
        return torch.ones(n_lessons)
    n_labels = answers.is_known.shape[1]
    is_judged = answers.is_known.gather(1, points.owners[:, None])[:, 0]
    right = held_out_probs(answers, points).gather(1, points.owners[:, None])[:, 0]
    cell = points.lessons * n_labels + points.owners
    shape = n_lessons * n_labels
    counts = torch.bincount(cell, is_judged.float(), minlength=shape).view(-1, n_labels)
    sums = torch.bincount(cell, right * is_judged, minlength=shape).view(-1, n_labels)
    agreement = torch.where(counts > 0, sums / counts.clamp_min(1), torch.nan)  # (G, L)
    usual = agreement.nanmedian(dim=0).values.clamp_min(1e-6)
    ratio = (agreement / usual).nanmean(dim=1).nan_to_num(1.0)  # 1 where nothing can be judged
    return (ratio / RELIABLE_AGREEMENT).clamp(MIN_RELIABILITY ** (1 / 3), 1).pow(3)


def held_out_probs(answers: FoldAnswers, points: Points) -> Tensor:
    """Probs (N, L) by patches and pixels of the other lessons, of the labels that those teach."""
    pixels = log_probs(answers.pixel_probs) * points.has_features[:, None]
    logits = PATCH_WEIGHT * answers.patch_logits + PIXEL_WEIGHT * pixels
    return logits.masked_fill(~answers.is_known, -torch.inf).softmax(dim=1).nan_to_num(0.0)
