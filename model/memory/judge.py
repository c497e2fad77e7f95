"""How far to believe words, patches and pixels: weights fitted to the lessons themselves.

Stacked generalization (Wolpert 1992; Breiman 1996): each expert answers for every lesson without
having seen it, and a product of experts, prob ~ exp(sum of weight * log-prob), is fitted to what
people said. Three weights, none negative; the loss is convex. Which loss and which weights of the
labels: benchmarks/README.md, "Corrections".
Shapes: N judged points, C classes with the background last; the experts are words, patches, pixels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

EXCLUDED_LOGIT = -1e4  # of classes that cannot be: exp of it is 0, and it stays finite
MAX_WEIGHT = 3.0
# Weights are drawn to those before any evidence, as if by so much cross-entropy a lesson.
SHRINKAGE = 0.003
# A class weighs its share of the points to this power: 1 as in the images, 0 all the same.
SHARE_POWER = 0.5
TEMPERATURES = (0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0)
MIN_LESSONS = 2  # one cannot be held out
PRIOR_LESSONS = 0.3  # that count as if words were right about labels that nobody taught


@dataclass(frozen=True)
class ExpertWeights:
    """Factors of the experts' log-probs; before any evidence about what ten lessons give them
    (benchmarks/README.md, "Corrections")."""

    words: float = 0.15
    patches: float = 0.5
    pixels: float = 0.3
    untaught: float = 1.0  # factor of the words' probs of labels that no lesson teaches, 0..1

    @property
    def pixel_share(self) -> float:
        """How much of the decision is the pixels', 0..1."""
        return self.pixels / max(self.words + self.patches + self.pixels, 1e-9)

    def as_tensor(self) -> Tensor:
        return torch.tensor([self.words, self.patches, self.pixels])


UNJUDGED = ExpertWeights()
WORDS_ALONE = ExpertWeights(words=1.0, patches=0.0, pixels=0.0)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What each expert says of points whose lesson it has not seen, and what people said."""

    log_probs: Tensor  # (3, N, C) of words, patches, pixels
    is_known: Tensor  # (N, C) bool: classes that the other lessons teach
    familiarity: Tensor  # (N,) 0..1
    classes: Tensor  # (N,)
    masses: Tensor  # (N,)
    n_lessons: int


def fit_weights(held_out: HeldOut, is_taught: Tensor) -> ExpertWeights:
    """The weights; only classes that are taught, (C,) bool, compete. With one lesson: UNJUDGED."""
    classes, masses, n_lessons = held_out.classes, held_out.masses, held_out.n_lessons
    if n_lessons < MIN_LESSONS or not len(classes):
        return UNJUDGED
    balanced = balanced_masses(classes, masses)
    excluded = torch.where(is_taught, 0.0, EXCLUDED_LOGIT)
    start = UNJUDGED.as_tensor()

    of_right = held_out.log_probs[:, torch.arange(len(classes)), classes]  # (3, N)

    def loss_and_gradient(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = torch.tensor(values, dtype=torch.float32)
        log_prob = (torch.einsum("e,enc->nc", weights, held_out.log_probs) + excluded).log_softmax(
            1
        )
        expected = torch.einsum("nc,enc->en", log_prob.exp(), held_out.log_probs)
        away = weights - start
        loss = -(balanced @ log_prob[torch.arange(len(classes)), classes])
        gradient = (expected - of_right) @ balanced + 2 * SHRINKAGE / n_lessons * away
        loss = loss + SHRINKAGE / n_lessons * away.square().sum()
        return loss.item(), gradient.double().numpy()

    bounds = [(0.0, MAX_WEIGHT)] * len(start)
    found = minimize(loss_and_gradient, start.numpy() / 2, jac=True, bounds=bounds)
    weights = torch.tensor(found.x, dtype=torch.float32)
    logits = torch.einsum("e,enc->nc", weights, held_out.log_probs) + excluded
    words, patches, pixels = (weights / best_temperature(logits, classes, masses)).tolist()
    return ExpertWeights(words, patches, pixels, untaught_factor(held_out, balanced))


def share_right(held_out: HeldOut, weights: ExpertWeights, is_taught: Tensor) -> float:
    """Of the points, 0..1, that these weights give the right class; each class weighs as in
    `balanced_masses`."""
    logits = torch.einsum("e,enc->nc", weights.as_tensor(), held_out.log_probs)
    decided = logits.masked_fill(~is_taught, EXCLUDED_LOGIT).argmax(dim=1)
    balanced = balanced_masses(held_out.classes, held_out.masses)
    return float(balanced @ (decided == held_out.classes).float())


def balanced_masses(classes: Tensor, masses: Tensor) -> Tensor:
    """Masses (N,) by which each class weighs its share to the power SHARE_POWER, summing to 1."""
    totals = torch.bincount(classes, masses).clamp_min(1e-9)
    balanced = masses * totals[classes] ** (SHARE_POWER - 1)
    return balanced / balanced.sum()


def untaught_factor(held_out: HeldOut, balanced: Tensor) -> float:
    """How often a point is of a label that the other lessons lack, by how often words claim so.

    Where words are noise they claim untaught labels everywhere, and nobody ever paints one.
    """
    is_new = ~held_out.is_known
    claimed = (held_out.log_probs[0].exp() * is_new).sum(dim=1) * (1 - held_out.familiarity)
    true = is_new.gather(1, held_out.classes[:, None])[:, 0].float()
    prior = PRIOR_LESSONS / held_out.n_lessons
    return min(1.0, float((balanced @ true + prior) / (balanced @ claimed + prior)))


def best_temperature(logits: Tensor, classes: Tensor, masses: Tensor) -> float:
    """The one of TEMPERATURES by which logits (N, C) must be divided to be probs that hold."""

    def cross_entropy(temperature: float) -> float:
        log_prob = (logits / temperature).log_softmax(dim=1).gather(1, classes[:, None])
        return float(-(masses * log_prob[:, 0]).sum())

    return min(TEMPERATURES, key=cross_entropy)
