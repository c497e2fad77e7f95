"""ResCLIP's feedback, on grids small enough to follow."""

import math

import torch

from model.encoder.published.resclip import adapt_to_pixels, majority, shared_answers


def test_the_most_frequent_answer_of_a_patch_wins():
    answer = torch.tensor([[0, 0, 1, 1], [0, 2, 1, 0]])
    assert majority(answer, (1, 2)).tolist() == [[0, 1]]


def test_patches_share_an_answer_and_less_so_across_a_gap():
    answer = torch.tensor([[1, 0, 1]])
    narrow = 1e-3  # no blur: the kernel is one tap wide
    affinity = shared_answers(answer, narrow)
    assert affinity[0].tolist() == affinity[:, 0].tolist() == [0] * 4  # the class token
    # 0 and 2 share the answer, but the line between them leaves it: exp(-2 / 2).
    gap = math.exp(-1)
    row = torch.tensor([1, 0, gap]) / (1 + gap)
    torch.testing.assert_close(affinity[1, 1:].float(), row, atol=1e-3, rtol=0)
    assert affinity[2, 1:].tolist() == [0, 1, 0]


def test_one_answer_everywhere_is_uniform_before_the_blur_meets_the_border():
    affinity = shared_answers(torch.zeros(3, 3, dtype=torch.long), 1e-3)[1:, 1:].float()
    torch.testing.assert_close(affinity, torch.ones(9, 9))


def test_refinement_keeps_constants_and_follows_an_edge():
    pixels = torch.zeros(1, 3, 40, 40)
    pixels[..., 20:] = 1
    constant = torch.full((1, 2, 40, 40), 0.3)
    torch.testing.assert_close(adapt_to_pixels(constant, pixels), constant)
    blurred = torch.linspace(0, 1, 40).expand(1, 1, 40, 40)
    adapted = adapt_to_pixels(blurred, pixels)
    step, ramp = (maps[0, 0, 20, 20] - maps[0, 0, 20, 19] for maps in (adapted, blurred))
    assert step > 5 * ramp
