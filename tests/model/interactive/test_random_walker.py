"""The random walker against numbers that can be worked out by hand."""

import numpy as np
import pytest

from model.interactive.random_walker import MIN_EDGE_WEIGHT, neighbor_weights, random_walk


def test_similar_neighbors_weigh_more_than_those_across_an_edge():
    maps = np.array([[[0.0, 0.0, 1.0, 1.0]]])  # one edge among three pairs: mean d² = 1/3
    down, right = neighbor_weights(maps, sharpness=1.0)
    assert down.shape == (0, 4)
    np.testing.assert_allclose(right - MIN_EDGE_WEIGHT, [[1, np.exp(-3), 1]], rtol=1e-6)


def test_a_flat_image_has_no_edges():
    down, right = neighbor_weights(np.ones((3, 4, 5)), sharpness=5.0)
    assert (down == 1 + MIN_EDGE_WEIGHT).all()
    assert (right == 1 + MIN_EDGE_WEIGHT).all()


def test_between_two_certain_ends_the_walk_is_a_straight_line():
    prior = np.array([[1.0, 0, 0, 0, 0]])
    anchors = np.array([[1e6, 0, 0, 0, 1e6]])
    weights = np.zeros((0, 5)), np.ones((1, 4))
    np.testing.assert_allclose(
        random_walk(prior, anchors, weights), [[1, 0.75, 0.5, 0.25, 0]], atol=1e-3
    )


def test_the_value_falls_at_the_edge():
    prior = np.array([[1.0, 0, 0, 0]])
    anchors = np.array([[1e6, 0, 0, 1e6]])
    weights = np.zeros((0, 4)), np.array([[1.0, 0.01, 1.0]])
    found = random_walk(prior, anchors, weights)
    # Resistances 1, 100, 1: the drop of each is its share of 102.
    np.testing.assert_allclose(found, [[1, 101 / 102, 1 / 102, 0]], atol=1e-3)


def test_it_solves_the_linear_system():
    generator = np.random.default_rng(0)
    prior, anchors = generator.random((6, 7)), generator.random((6, 7)) + 0.1
    down, right = generator.random((5, 7)), generator.random((6, 6))
    matrix = np.diag(anchors.ravel())
    index = np.arange(42).reshape(6, 7)
    for weights, first, second in (
        (down, index[:-1], index[1:]),
        (right, index[:, :-1], index[:, 1:]),
    ):
        for w, i, j in zip(weights.ravel(), first.ravel(), second.ravel(), strict=True):
            matrix[[i, j], [i, j]] += w
            matrix[[i, j], [j, i]] -= w
    exact = np.linalg.solve(matrix, (anchors * prior).ravel()).reshape(6, 7)
    found = random_walk(prior, anchors, (down, right), steps=200, tolerance=1e-7)
    np.testing.assert_allclose(found, exact, atol=1e-4)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 9), (9, 1)])
def test_thin_images_are_fine(size_hw):
    weights = neighbor_weights(np.zeros((3, *size_hw)), sharpness=1.0)
    found = random_walk(np.full(size_hw, 0.7), np.ones(size_hw), weights)
    np.testing.assert_allclose(found, 0.7, atol=1e-5)
