"""Prototypes, on points whose labels are known."""

import torch

from model.memory.prototypes import fit_prototypes


def clouds(n_lessons=6, per_label=4, seed=0):
    """Two labels around (1, 0, …) and (0, 1, …) in 8 channels; the owner of each key is 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    owners = torch.arange(2).repeat_interleave(per_label).repeat(n_lessons)
    keys = torch.eye(8)[owners] + 0.1 * torch.randn(len(owners), 8, generator=generator)
    lessons = torch.arange(n_lessons).repeat_interleave(2 * per_label)
    return keys, owners, torch.ones(len(owners)), lessons


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
