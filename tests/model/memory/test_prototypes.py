"""Prototypes and the reliability of lessons, on points whose labels are known."""

import pytest
import torch

from model.memory.prototypes import fit_prototypes, held_out_logits, lesson_reliability


def clouds(n_lessons=6, per_label=4, seed=0):
    """Two labels around (1, 0, …) and (0, 1, …) in 8 channels; the owner of each key is 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    owners = torch.arange(2).repeat_interleave(per_label).repeat(n_lessons)
    keys = torch.eye(8)[owners] + 0.1 * torch.randn(len(owners), 8, generator=generator)
    lessons = torch.arange(n_lessons).repeat_interleave(2 * per_label)
    return keys, owners, torch.ones(len(owners)), lessons


def reliability(keys, owners, weights, lessons, n_labels=2):
    return lesson_reliability(
        keys,
        owners,
        weights,
        lessons,
        n_labels=n_labels,
        n_lessons=int(lessons.max()) + 1,
        logit_weight=0.4,
    )


def test_the_discriminant_is_the_gaussians_log_ratio():
    # Two labels at (±1, 0), each with keys at ±0.5 in both channels: covariance 0.25 everywhere.
    spread = torch.tensor([[0.5, 0.5], [0.5, -0.5], [-0.5, 0.5], [-0.5, -0.5]])
    keys = torch.cat([spread + torch.tensor([1.0, 0]), spread - torch.tensor([1.0, 0])])
    owners = torch.arange(2).repeat_interleave(4)
    prototypes = fit_prototypes(keys, owners, torch.ones(8), 2)
    logits = prototypes.logits(torch.tensor([[1.0, 0], [0, 0], [-1.0, 3.0]]))
    # x·μ / 0.25 - μ² / (2 · 0.25), whatever the second channel is
    expected = torch.tensor([[2.0, -6.0], [-2.0, -2.0], [-6.0, 2.0]])
    assert torch.allclose(logits, expected, atol=0.02)


def test_labels_without_keys_get_logit_0():
    keys, owners, weights, _ = clouds()
    logits = fit_prototypes(keys, owners, weights, 3).logits(keys)
    assert (logits[:, 2] == 0).all()
    assert (logits[:, :2].argmax(dim=1) == owners).all()


def test_one_key_is_enough():
    logits = fit_prototypes(torch.ones(1, 4), torch.tensor([0]), torch.ones(1), 2).logits(
        torch.eye(4)
    )
    assert torch.isfinite(logits).all()


def test_held_out_labels_of_a_single_lesson_are_unknown():
    keys, owners, weights, lessons = clouds()
    owners = owners.clone()
    owners[(lessons == 2) & (owners == 1)] = 2  # only lesson 2 teaches it
    logits, known = held_out_logits(keys, owners, weights, lessons, 3)
    assert not known[lessons == 2][:, 2].any()
    assert known[lessons == 1][:, 2].all()
    assert (logits[lessons == 2][:, 2] == 0).all()


def test_consistent_lessons_count_fully():
    keys, owners, weights, lessons = clouds()
    assert torch.allclose(reliability(keys, owners, weights, lessons), torch.ones(6))


@pytest.mark.parametrize("swapped", [0, 3, 5])
def test_a_lesson_of_swapped_labels_counts_little(swapped):
    keys, owners, weights, lessons = clouds()
    owners = torch.where(lessons == swapped, 1 - owners, owners)
    found = reliability(keys, owners, weights, lessons)
    assert found[swapped] < 0.15
    assert found[torch.arange(6) != swapped].min() > 0.9


def test_two_lessons_cannot_judge_each_other():
    keys, owners, weights, lessons = clouds(n_lessons=2)
    owners = torch.where(lessons == 1, 1 - owners, owners)
    assert (reliability(keys, owners, weights, lessons) == 1).all()


def test_a_label_that_one_lesson_alone_teaches_counts_fully():
    keys, owners, weights, lessons = clouds()
    owners = torch.where((lessons == 4) & (owners == 1), 2, owners)
    assert reliability(keys, owners, weights, lessons, n_labels=3)[4] == 1
