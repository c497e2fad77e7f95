"""How far each lesson is believed, by how well the other lessons predict it.

A heuristic of ours against wrong annotations; what one costs: benchmarks/README.md, "Corrections".
Shapes: N points, L labels with the background last, G lessons.
"""

import torch
from torch import Tensor

from model.memory.held_out import FoldAnswers
from model.memory.joined_samples import Points

PATCH_WEIGHT = 0.4  # of the patches' log-probs, whose density is too sure of itself
# A lesson that agrees with the others less than this share of the usual counts less, by the cube.
RELIABLE_AGREEMENT = 0.6
MIN_RELIABILITY = 0.001
MIN_LESSONS = 3  # two alone cannot judge each other


def lesson_reliability(answers: FoldAnswers, points: Points, n_lessons: int) -> Tensor:
    """Weight (G,) of each lesson, 0..1.

    The agreement of a lesson on one of its labels is the mean held-out prob of that label there, by
    the usual one of the label, the median of all lessons: some labels are hard for everyone. Labels
    that no other lesson teaches do not count. Of patches and pixels, the one that agrees less
    counts.
    """
    if n_lessons < MIN_LESSONS:
        return torch.ones(n_lessons)
    patches = (PATCH_WEIGHT * answers.patch_logits).masked_fill(~answers.is_known, -torch.inf)
    pixels = answers.pixel_probs * answers.is_known
    ratios = [
        agreement_ratio(patches.softmax(dim=1), answers.is_known, points, n_lessons),
        agreement_ratio(pixels, answers.is_known & points.has_features[:, None], points, n_lessons),
    ]
    contradicted = torch.minimum(*ratios) / RELIABLE_AGREEMENT
    return contradicted.clamp(MIN_RELIABILITY ** (1 / 3), 1).pow(3)


def agreement_ratio(probs: Tensor, is_known: Tensor, points: Points, n_lessons: int) -> Tensor:
    """Agreement (G,) of each lesson with held-out probs (N, L), by the usual one.

    `is_known` (N, L): the labels of which the probs know. 1 where nothing can be judged.
    """
    n_labels = probs.shape[1]
    is_judged = is_known.gather(1, points.owners[:, None])[:, 0]
    right = probs.nan_to_num(0.0).gather(1, points.owners[:, None])[:, 0]
    cell = points.lessons * n_labels + points.owners
    shape = n_lessons * n_labels
    counts = torch.bincount(cell, is_judged.float(), minlength=shape).view(-1, n_labels)
    sums = torch.bincount(cell, right * is_judged, minlength=shape).view(-1, n_labels)
    agreement = torch.where(counts > 0, sums / counts.clamp_min(1), torch.nan)  # (G, L)
    usual = agreement.nanmedian(dim=0).values
    agreement = torch.where(usual > 0, agreement, torch.nan)
    return (agreement / usual.clamp_min(1e-6)).nanmean(dim=1).nan_to_num(1.0)
