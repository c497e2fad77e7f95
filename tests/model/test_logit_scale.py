"""The automatic logit scale."""

import pytest
import torch

from model.logit_scale import automatic_logit_scale, logit_scale_of


def test_the_automatic_scale_gives_checkpoints_of_any_range_the_same_spread():
    logits = torch.randn(10, 8, 8, generator=torch.Generator().manual_seed(0))
    narrow, wide = 0.02 * logits, 0.05 * logits
    assert automatic_logit_scale(narrow) * 0.02 == pytest.approx(
        automatic_logit_scale(wide) * 0.05, rel=1e-4
    )
    assert automatic_logit_scale(torch.zeros(3, 2, 2)) == 200  # no spread: the highest allowed
    assert automatic_logit_scale(torch.zeros(1, 2, 2)) == 10


def test_a_scale_that_is_given_is_the_one_used():
    logits = torch.randn(10, 8, 8)
    assert logit_scale_of(logits, 40.0) == 40.0
    assert logit_scale_of(logits, None) == automatic_logit_scale(logits)
