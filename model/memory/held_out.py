"""Each expert's answers for lessons that it has not seen.

Lessons are held out in turn, a fold of them at a time. Computed once for a memory; what words say,
and so the judge's weights, depend on the vocabulary of the day.
Shapes: N points, S samples, L labels with the background last, E channels, F features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.memory.joined_samples import Points, Samples
from model.memory.patch_expert import PatchExpert
from model.memory.pixel_expert import N_TREES, PixelExpert, fit_forest

FOLDS = 5


@dataclass(frozen=True, eq=False)
class FoldAnswers:
    patch_logits: Tensor  # (N, L) by the patches of the other lessons
    is_known: Tensor  # (N, L) bool: labels that those teach
    familiarity: Tensor  # (N,) 0..1
    pixel_probs: Tensor  # (N, L) by the pixels of the other lessons; all 0 without any


def cross_validate(
    patches: PatchExpert, samples: Samples, points: Points
) -> tuple[FoldAnswers, PixelExpert | None]:
    """Hold out the lessons in turn; also the pixel expert of all, None without samples.

    Of a single lesson nothing can be held out: no label is known.
    """
    n_labels, n_points = patches.n_labels, len(points.tokens)
    answers = FoldAnswers(
        torch.zeros(n_points, n_labels),
        torch.zeros(n_points, n_labels, dtype=torch.bool),
        torch.zeros(n_points),
        torch.zeros(n_points, n_labels),
    )
    n_folds = min(FOLDS, patches.n_lessons)
    if n_folds < 2:
        return answers, fit_experts(samples, [torch.ones_like(samples.owners).bool()], n_labels)
    fold_of = torch.arange(patches.n_lessons) % n_folds
    everything = torch.ones(n_labels, dtype=torch.bool)
    for fold in range(n_folds):
        own = fold_of[points.lessons] == fold
        others = patches.without(fold_of == fold)
        logits, familiarity = others.logits(points.tokens[own], everything)
        answers.patch_logits[own], answers.familiarity[own] = logits, familiarity
        answers.is_known[own] = others.is_taught
    expert = fit_experts(
        samples, [fold_of[samples.lessons] != fold for fold in range(n_folds)], n_labels
    )
    if expert is not None:
        for fold, forest in enumerate(expert.forests):
            own = (fold_of[points.lessons] == fold) & points.has_features
            alone = PixelExpert([forest], n_labels)
            if own.any():
                answers.pixel_probs[own] = alone.probs(points.features[own].numpy())
    return answers, expert


def fit_experts(samples: Samples, parts: Sequence[Tensor], n_labels: int) -> PixelExpert | None:
    """A forest for each part (S,) bool of the samples; None if one has no samples."""
    if not all(part.any() for part in parts):
        return None
    forests = [
        fit_forest(
            samples.features[part],
            samples.owners[part],
            samples.masses[part],
            n_trees=N_TREES // len(parts),
            seed=seed,
        )
        for seed, part in enumerate(parts)
    ]
    return PixelExpert(forests, n_labels)
