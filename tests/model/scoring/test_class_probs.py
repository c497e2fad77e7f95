"""Class probs from the logits of rows, on maps small enough to follow."""

import math

import torch

from model.scoring.class_probs import class_probs, renormalized, top_classes


def test_a_class_is_as_probable_as_its_best_row():
    logits = torch.tensor([1.0, 3.0, 2.0, 0.0]).view(4, 1, 1)  # rows of classes 0, 0, 1 and none
    probs = class_probs(logits, torch.tensor([0, 0, 1, 2]), n_classes=2)
    best = torch.tensor([math.exp(3), math.exp(2), math.exp(0)])
    torch.testing.assert_close(probs[:, 0, 0], best / best.sum())


def test_a_class_without_rows_has_no_probability():
    probs = class_probs(torch.zeros(1, 2, 2), torch.tensor([1]), n_classes=2)
    assert probs[:, 0, 0].tolist() == [0.0, 1.0, 0.0]


def test_of_many_classes_the_winners_and_the_nearest_to_winning_stay():
    probs = torch.full((10, 1, 3), 0.01)
    probs[0, 0, 0] = probs[4, 0, 1] = probs[7, 0, 2] = 0.8
    probs[2, 0, 1] = 0.5  # second to class 4
    kept = top_classes(probs, limit=5)
    assert kept.tolist() == [0, 2, 4, 7, 9]
    torch.testing.assert_close(renormalized(probs[kept]).sum(dim=0), torch.ones(1, 3))
    assert top_classes(probs, limit=2).tolist() == [0, 4, 7, 9]
    assert top_classes(probs, limit=10).tolist() == list(range(10))
    everyone_wins = torch.eye(5)[:, None]  # the background, too
    assert top_classes(everyone_wins, limit=2).tolist() == list(range(5))
