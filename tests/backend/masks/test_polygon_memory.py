"""Outlines with millions of crossings are filled in pieces."""

import tracemalloc

import numpy as np

from backend.masks import polygons
from backend.masks.polygons import mask_to_polygons, polygon_to_mask


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


def test_a_column_of_pixels_is_traced_as_coarsely_as_other_long_outlines(caplog):
    mask = (np.arange(3_000_000) // 300_000 % 2 == 0)[:, None]
    found = mask_to_polygons(mask)
    assert "traced at 1/2" in caplog.text  # a side at each end of each row
    assert len(found) == 5
    assert all(np.ptp(polygon[:, 1]) == 300_000 for polygon in found)
    assert all((polygon >= 0).all() and (polygon[:, 0] <= 1).all() for polygon in found)
