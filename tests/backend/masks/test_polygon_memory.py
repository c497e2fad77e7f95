"""Outlines with millions of crossings are filled in pieces."""

import tracemalloc

import numpy as np

from backend.masks import polygons
from backend.masks.polygons import polygon_to_mask


def test_a_ragged_outline_is_filled_in_pieces():
    side_px = 1000
    y = np.tile([0.0, side_px], 1000)
    points = np.stack([np.linspace(0, side_px, y.size), y], axis=1)  # 2 million crossings
    tracemalloc.start()
    try:
        polygon_to_mask(points, height_px=side_px, width_px=side_px)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50 * 2**20  # at once it took 160 MB


def test_pieces_of_an_outline_fill_what_the_whole_does(monkeypatch):
    points = np.random.default_rng(0).random((300, 2)) * (70, 50)
    whole = polygon_to_mask(points, height_px=50, width_px=70)
    monkeypatch.setattr(polygons, "CROSSINGS_AT_ONCE", 40)
    assert np.array_equal(polygon_to_mask(points, height_px=50, width_px=70), whole)
