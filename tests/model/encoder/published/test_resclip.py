"""ResCLIP's feedback, on grids small enough to follow."""

import math

import torch

from model.encoder.published.resclip import majority, same_class_affinity


def test_the_most_frequent_class_of_a_patch_wins():
    classes = torch.tensor([[0, 0, 1, 1], [0, 2, 1, 0]])
    assert majority(classes, (1, 2)).tolist() == [[0, 1]]


def test_patches_of_one_class_have_less_affinity_across_a_gap():
    classes = torch.tensor([[1, 0, 1]])
    narrow = 1e-3  # no blur: the kernel is one tap wide
    affinity = same_class_affinity(classes, narrow)
    assert affinity[0].tolist() == affinity[:, 0].tolist() == [0] * 4  # the class token
    # 0 and 2 share a class, but the line between them leaves it: exp(-2 / 2).
    gap = math.exp(-1)
    row = torch.tensor([1, 0, gap]) / (1 + gap)
    torch.testing.assert_close(affinity[1, 1:].float(), row, atol=1e-3, rtol=0)
    assert affinity[2, 1:].tolist() == [0, 1, 0]


def test_one_class_everywhere_is_uniform_before_the_blur_meets_the_border():
    affinity = same_class_affinity(torch.zeros(3, 3, dtype=torch.long), 1e-3)[1:, 1:].float()
    torch.testing.assert_close(affinity, torch.ones(9, 9))
