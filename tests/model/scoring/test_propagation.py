"""Logits spread between similar pixels, and stop at edges."""

import torch

from model.scoring.propagation import propagate, row_support


def test_an_unsure_cell_follows_its_side_of_an_edge():
    image = torch.zeros(3, 8, 8)
    image[:, :, 4:] = 255
    logits = torch.zeros(2, 8, 8)
    logits[0, :, :4] = 5
    logits[1, :, 4:] = 5
    logits[:, 3, 3] = 0  # unsure, left of the edge
    flowed = propagate(logits, image, torch.eye(2), cells=8)
    assert flowed[0, 3, 3] > flowed[1, 3, 3] + 1
    assert flowed.argmax(dim=0).eq(torch.tensor([0] * 4 + [1] * 4)).all()


def test_similar_texts_support_each_other_more():
    texts = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.2], [0.0, 1.0]]), dim=1)
    support = row_support(texts)
    assert support[0, 0] > support[0, 1] > support[0, 2]
    torch.testing.assert_close(support.sum(dim=1), torch.ones(3))


def test_the_grid_follows_the_image_and_tiny_images_work():
    logits = torch.rand(3, 4, 6)
    assert propagate(logits, torch.rand(3, 300, 500), torch.eye(3), cells=80).shape == (3, 75, 83)
    assert propagate(logits, torch.rand(3, 1, 1), torch.eye(3), cells=80).shape == (3, 1, 1)
