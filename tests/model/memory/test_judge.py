"""Weights of the experts, on answers whose best weights are known."""

import pytest
import torch

from model.memory.judge import UNJUDGED, HeldOut, fit_weights


def answers(classes, right_prob, n_classes=2):
    """Log-probs (N, C) that give the right class this prob, or one of (N,), and the rest evenly."""
    right = torch.as_tensor(right_prob).expand(len(classes)).clone()
    probs = ((1 - right) / (n_classes - 1))[:, None].expand(-1, n_classes).clone()
    probs[torch.arange(len(classes)), classes] = right
    return probs.log()


def held_out(words, patches, pixels, classes, **changes):
    n, n_classes = words.shape
    parts = {
        "is_known": torch.ones(n, n_classes, dtype=torch.bool),
        "familiarity": torch.zeros(n),
        "masses": torch.full((n,), 1 / n),
        "n_lessons": 10,
    }
    return HeldOut(torch.stack([words, patches, pixels]), classes=classes, **parts | changes)


CLASSES = torch.arange(200) % 2
TAUGHT = torch.tensor([True, True])
NOISE = torch.where(torch.rand(200, generator=torch.Generator().manual_seed(0)) < 0.5, 0.9, 0.1)


@pytest.mark.parametrize("best", range(3))
def test_the_expert_that_is_right_is_believed_and_noise_is_not(best):
    parts = [answers(CLASSES, NOISE) for _ in range(3)]
    parts[best] = answers(CLASSES, 0.8)
    weights = fit_weights(held_out(*parts, CLASSES), TAUGHT)
    found = weights.as_tensor()
    assert found.argmax() == best
    assert found.sum() - found[best] < 0.2 * found[best]


def test_experts_that_err_elsewhere_are_better_together():
    first, second = (torch.full((200,), 0.95) for _ in range(2))
    first[:80:4], second[1:80:4] = 0.4, 0.4  # each wrong where the other is sure
    uniform = answers(CLASSES, 0.5)
    weights = fit_weights(
        held_out(uniform, answers(CLASSES, first), answers(CLASSES, second), CLASSES), TAUGHT
    )
    assert weights.patches == pytest.approx(weights.pixels, rel=0.2)
    assert min(weights.patches, weights.pixels) > 0.3


def test_a_single_lesson_judges_nobody():
    parts = [answers(CLASSES, 0.8), answers(CLASSES, 0.5), answers(CLASSES, 0.5)]
    assert fit_weights(held_out(*parts, CLASSES, n_lessons=1), TAUGHT) == UNJUDGED


def test_probs_are_as_sure_as_they_are_right():
    wrong = torch.arange(200) % 5 == 0  # an expert that says 0.99 and is right in 4 of 5
    sure = answers(CLASSES, torch.where(wrong, 0.01, 0.99))
    uniform = answers(CLASSES, 0.5)
    weights = fit_weights(held_out(uniform, uniform, sure, CLASSES), TAUGHT)
    probs = (weights.as_tensor()[:, None, None] * torch.stack([uniform, uniform, sure])).sum(0)
    assert probs.softmax(dim=1).amax(dim=1).mean() == pytest.approx(0.8, abs=0.05)


def test_words_that_claim_labels_which_nobody_paints_lose_them():
    """Class 2 is taught by no other lesson; words see it everywhere."""
    words = answers(torch.full((200,), 2), 0.9, n_classes=3)
    known = torch.tensor([True, True, False]).expand(200, 3)
    patches = answers(CLASSES, 0.8, n_classes=3)

    def factor(classes):
        found = held_out(words, patches, patches, classes, is_known=known)
        return fit_weights(found, torch.ones(3, dtype=torch.bool)).untaught

    assert factor(CLASSES) < 0.1
    assert factor(torch.full((200,), 2)) == 1  # where people do paint it, words are believed
