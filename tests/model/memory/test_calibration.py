"""Bias and temperature from held-out keys."""

import pytest
import torch

from model.memory.calibration import MAX_BIAS, fit_calibration


def test_few_lessons_change_nothing():
    found = fit_calibration(torch.zeros(4, 2), torch.tensor([0, 0, 0, 1]), torch.ones(4), 2)
    assert (found.bias == 0).all()
    assert found.temperature == 1


def test_a_label_predicted_too_often_is_lowered_and_a_missed_one_raised():
    log_probs = torch.tensor([0.8, 0.2]).log().expand(100, 2)
    owners = torch.cat([torch.zeros(40), torch.ones(60)]).long()
    found = fit_calibration(log_probs, owners, torch.ones(100), 50)
    # From odds of 1/4 to odds of 3/2 is a factor of 6; half of its logarithm is a factor of √6.
    odds = (log_probs[0] + found.bias).diff().exp().item()
    assert odds == pytest.approx(6**0.5 / 4, rel=0.05)
    assert found.bias.abs().max() <= MAX_BIAS


def test_probs_that_are_too_sure_are_softened_and_timid_ones_sharpened():
    owners = torch.tensor([0, 0, 0, 1] * 25)  # three of four are right
    sure, timid = (torch.tensor([p, 1 - p]).log().expand(100, 2) for p in (0.99, 0.55))
    swapped = [torch.cat([log_probs, log_probs.flip(1)]) for log_probs in (sure, timid)]
    both = torch.cat([owners, 1 - owners])  # and as often for the other class: no bias
    weights = torch.ones(200)
    assert fit_calibration(swapped[0], both, weights, 10).temperature > 2
    assert fit_calibration(swapped[1], both, weights, 10).temperature < 1
