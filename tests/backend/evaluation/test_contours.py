"""Contours, shared with the benchmarks."""

import numpy as np

from backend.evaluation.contours import contour, grow, tolerance_px


def test_the_contour_of_a_box_is_its_rim():
    box = np.zeros((10, 10), dtype=bool)
    box[2:7, 2:7] = True
    assert contour(box).sum() == 16
    assert not contour(box)[3:6, 3:6].any()


def test_the_edge_of_the_image_and_of_what_is_known_is_no_contour():
    everything = np.ones((6, 8), dtype=bool)
    assert not contour(everything).any()
    half = everything.copy()
    half[:, 4:] = False
    assert contour(half).sum() == 6
    assert not contour(half, known=half).any()


def test_growing_reaches_so_far_in_every_direction():
    point = np.zeros((9, 9), dtype=bool)
    point[4, 4] = True
    assert grow(point, 2).sum() == 25


def test_the_tolerance_is_a_share_of_the_diagonal():
    assert tolerance_px((480, 640)) == 6
    assert tolerance_px((4, 4)) == 1
