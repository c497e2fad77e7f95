"""Classes that are not in the image, on maps small enough to follow."""

import pytest
import torch

from model.errors import MethodError
from model.scoring.presence import PresenceConfig, drop_absent_classes


def halves():
    """Probs (3, 4, 4): class 0 left, class 1 right, class 2 is nowhere; and two-valued patches."""
    probs = torch.full((3, 4, 4), 0.02)
    probs[0, :, :2] = 0.9
    probs[1, :, 2:] = 0.9
    probs[:2] += 0.03
    tokens = torch.zeros(2, 4, 4)
    tokens[0, :, :2] = 1
    tokens[1, :, 2:] = 1
    return torch.cat([probs, torch.full((1, 4, 4), 0.03)]), tokens


@pytest.mark.parametrize(("measure", "minimum"), [("peak", 0.1), ("affinity", 0.3)])
def test_an_absent_class_is_removed_and_present_ones_stay(measure, minimum):
    probs, tokens = halves()
    probs[2, 1, 1] = 0.08  # at a single patch
    kept = drop_absent_classes(probs, tokens, PresenceConfig(measure, minimum))
    assert kept[2].max() == 0
    assert kept[:2].amax(dim=(1, 2)).min() > 0.8
    torch.testing.assert_close(kept.sum(dim=0), torch.ones(4, 4))


def test_the_strongest_class_survives_any_threshold():
    probs, tokens = halves()
    assert drop_absent_classes(probs, tokens, PresenceConfig("peak", 1.0))[:-1].max() > 0.8
    assert drop_absent_classes(probs, tokens, PresenceConfig("", 1.0)) is probs


def test_an_unknown_measure_lists_the_known():
    with pytest.raises(MethodError, match="peak, affinity"):
        drop_absent_classes(*halves(), PresenceConfig("oracle", 0.5))
