"""Logits flow inside what looks alike, and stop at edges."""

import torch

from model.scoring.propagation import propagate, solve, text_kinship


def test_the_solver_solves_its_system():
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(2, 3, 3, generator=generator)
    trust = torch.rand(3, 3, generator=generator) + 0.1
    across, down = torch.rand(3, 2, generator=generator), torch.rand(2, 3, generator=generator)
    matrix = torch.diag(trust.flatten())
    links = [((y, x), (y, x + 1), across[y, x]) for y in range(3) for x in range(2)]
    links += [((y, x), (y + 1, x), down[y, x]) for y in range(2) for x in range(3)]
    for (y0, x0), (y1, x1), weight in links:
        a, b = 3 * y0 + x0, 3 * y1 + x1
        matrix[a, a] += weight
        matrix[b, b] += weight
        matrix[a, b] -= weight
        matrix[b, a] -= weight
    exact = torch.linalg.solve(matrix, (trust * values).flatten(1).T).T.view(2, 3, 3)
    torch.testing.assert_close(solve(values, trust, across, down), exact, atol=1e-4, rtol=1e-4)


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


def test_kin_words_help_each_other_more():
    texts = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.2], [0.0, 1.0]]), dim=1)
    kinship = text_kinship(texts)
    assert kinship[0, 0] > kinship[0, 1] > kinship[0, 2]
    torch.testing.assert_close(kinship.sum(dim=1), torch.ones(3))


def test_the_grid_follows_the_image_and_tiny_images_work():
    logits = torch.rand(3, 4, 6)
    assert propagate(logits, torch.rand(3, 300, 500), torch.eye(3), cells=80).shape == (3, 75, 83)
    assert propagate(logits, torch.rand(3, 1, 1), torch.eye(3), cells=80).shape == (3, 1, 1)
