"""Thresholds of the decision, on maps small enough to follow."""

import pytest
import torch

from model.scoring.thresholds import ThresholdConfig, apply_thresholds_, otsu_threshold


def decide(label_map, best_prob, n_classes, prob=0.0, area=0.0):
    return apply_thresholds_(
        label_map, best_prob, n_classes, prob_threshold=prob, area_threshold=area
    )


def test_otsu_cuts_between_two_groups():
    values = torch.cat([torch.full((30,), 0.2), torch.full((50,), 0.8)])
    assert 0.2 < otsu_threshold(values) < 0.8


def test_unsure_pixels_and_those_of_no_class_lose_their_label():
    label_map = torch.tensor([[0, 1, 1, 2]], dtype=torch.int16)
    decide(label_map, torch.tensor([[0.4, 0.6, 0.8, 0.9]]), 2, 0.5)
    assert label_map.tolist() == [[-1, 1, 1, -1]]


def test_small_classes_go_and_unlabeled_pixels_do_not_count():
    label_map = torch.tensor([[0] * 9 + [1] + [3] * 90], dtype=torch.int16)
    kept = label_map.clone()
    best_prob = torch.full((1, 100), 0.5)
    assert decide(label_map, best_prob, 3, area=0.11).tolist() == [True, False, False]
    assert label_map.tolist() == [[0] * 9 + [-1] * 91]
    assert decide(kept, best_prob, 3, area=0.09).tolist() == [True, True, False]
    assert kept.tolist() == [[0] * 9 + [1] + [-1] * 90]


def test_blocks_of_rows_decide_as_the_whole(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    label_map = torch.randint(0, 5, (37, 20), generator=generator, dtype=torch.int16)
    best_prob = torch.rand(37, 20, generator=generator)
    whole, blocks = label_map.clone(), label_map.clone()
    decide(whole, best_prob, 4, 0.3, 0.1)
    monkeypatch.setattr("model.scoring.thresholds.PIXELS_AT_ONCE", 60)
    decide(blocks, best_prob, 4, 0.3, 0.1)
    assert torch.equal(whole, blocks)


def test_automatic_thresholds_are_otsus_and_one_patch():
    probs = torch.cat([torch.full((1, 4, 5), 0.3), torch.full((1, 4, 5), 0.7)])
    probs[1, :, 3:] = 0.9
    automatic = ThresholdConfig(prob=None, area=None)
    assert automatic.prob_of(probs) == otsu_threshold(probs.amax(dim=0))
    assert automatic.area_of(probs) == pytest.approx(1 / 20)
    given = ThresholdConfig(prob=0.4, area=0.2)
    assert (given.prob_of(probs), given.area_of(probs)) == (0.4, 0.2)
