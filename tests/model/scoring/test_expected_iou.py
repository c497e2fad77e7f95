"""The expected IoU of a region: it rises with what speaks for the region."""

import numpy as np
import pytest
import torch

from model.scoring.expected_iou import IouWeights, RegionEvidence

HW, GRID = (80, 120), (8, 12)


def left_half() -> np.ndarray:
    mask = np.zeros(HW, bool)
    mask[:, :60] = True
    return mask


def evidence(
    inside: float = 0.9, outside: float = 0.1, *, alike: bool = True, taught: bool = False
):
    """Two classes and the background; class 0 has these probs in the left half and elsewhere."""
    probs = torch.full((3, *GRID), outside)
    probs[0, :, :6] = inside
    probs[1] = probs[2] = (1 - probs[0]) / 2
    probs[0] = 1 - probs[1] - probs[2]
    tokens = torch.zeros(2, *GRID)
    tokens[0], tokens[1, :, 6:] = 1, 1
    if not alike:  # every second column is like the other half
        tokens = tokens.roll(6, dims=2)[..., ::2].repeat_interleave(2, dim=2)
        tokens[1] = (torch.arange(12) % 2).expand(8, 12)
    return RegionEvidence(probs, tokens, torch.tensor([taught, False, False]))


def score(found: RegionEvidence, mask: np.ndarray | None = None) -> float:
    return found.expected_iou(0, left_half() if mask is None else mask)


def test_a_score_is_a_share():
    for found in (evidence(), evidence(0.999, 0.001, taught=True), evidence(0.01, 0.99)):
        assert 0 < score(found) < 1


def test_a_class_that_is_probable_elsewhere_too_scores_less():
    assert score(evidence(outside=0.4)) < score(evidence(outside=0.1)) - 0.01


def test_a_class_that_is_less_probable_in_its_mask_scores_less():
    assert score(evidence(inside=0.5)) < score(evidence(inside=0.9)) - 0.01


def test_patches_unlike_each_other_score_less():
    assert score(evidence(alike=False)) < score(evidence(alike=True)) - 0.01


def test_what_lessons_know_scores_more():
    assert score(evidence(taught=True)) > score(evidence()) + 0.01


def test_features_are_those_of_the_formula():
    soft_iou, token_iou, entropy, log_area, taught = evidence(0.9, 0.1).features(0, left_half())
    share = 0.9 / (1 + 0.1)  # 48 patches of 0.9 within, 48 of 0.1 outside
    assert soft_iou == pytest.approx(np.log(share / (1 - share)), rel=1e-3)
    assert token_iou == pytest.approx(np.log(0.999 / 0.001))
    assert entropy == pytest.approx(-0.9 * np.log(0.9) - 0.1 * np.log(0.05), rel=1e-3)
    assert (log_area, taught) == (pytest.approx(np.log(0.5)), 0)


def test_a_part_is_not_held_against_the_other_parts_of_its_class():
    whole = left_half()
    part = whole.copy()
    part[40:] = False
    found = evidence()
    alone = found.expected_iou(0, part)
    assert found.expected_iou(0, part, whole) > alone + 0.01
    np.testing.assert_allclose(found.features(0, whole, whole), found.features(0, whole))


def test_the_score_of_one_pixel_and_of_the_whole_image_is_a_number():
    pixel = np.zeros(HW, bool)
    pixel[3, 4] = True
    for mask in (pixel, np.ones(HW, bool)):
        assert 0 < score(evidence(), mask) < 1


def test_weights_are_those_of_a_logistic_regression():
    features = np.array([1.0, 2.0, 3.0, 4.0, 1.0])
    weights = IouWeights(0.5, 0.1, 0.2, -0.3, 0.05, 0.4)
    assert weights.iou(features) == pytest.approx(1 / (1 + np.exp(-(0.5 + 0.1 + 0.4 - 0.9 + 0.6))))
