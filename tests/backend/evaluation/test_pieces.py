"""Pieces to fix, on masks by hand."""

import numpy as np

from backend.evaluation.pieces import pieces_to_fix

HW = (100, 200)
NOTHING = np.zeros(HW, dtype=bool)


def box(top: int, left: int, height: int, width: int) -> np.ndarray:
    mask = NOTHING.copy()
    mask[top : top + height, left : left + width] = True
    return mask


def test_each_connected_error_is_one_piece():
    drawn = box(10, 10, 40, 40) | box(10, 100, 40, 40)
    assert pieces_to_fix(drawn, NOTHING) == 2
    assert pieces_to_fix(drawn, box(10, 100, 80, 40)) == 2
    assert pieces_to_fix(drawn, box(10, 10, 40, 130)) == 1  # what joins them is to be erased


def test_three_pixels_at_edges_are_forgiven():
    drawn = box(30, 30, 40, 40)
    assert pieces_to_fix(drawn, box(27, 27, 46, 46)) == 0
    assert pieces_to_fix(drawn, box(33, 33, 34, 34)) == 0
    assert pieces_to_fix(drawn, box(22, 22, 56, 56)) == 1


def test_errors_below_a_thousandth_of_the_image_are_not_worth_a_stroke():
    assert pieces_to_fix(box(10, 10, 4, 5), NOTHING) == 1  # 20 of 20,000 pixels
    assert pieces_to_fix(box(10, 10, 4, 4), NOTHING) == 0


def test_a_thin_line_that_is_missed_is_a_piece():
    assert pieces_to_fix(box(50, 10, 2, 150), NOTHING) == 1


def test_a_mask_nowhere_on_its_label_is_one_piece_to_delete():
    drawn = box(10, 10, 40, 40) | box(10, 100, 40, 40)
    assert pieces_to_fix(NOTHING, drawn) == 1
    assert pieces_to_fix(drawn, box(60, 10, 30, 30)) == 3
    assert pieces_to_fix(NOTHING, box(0, 0, 2, 2)) == 1  # it stands in the list of regions


def test_errors_where_nothing_is_known_are_not_pieces():
    known = ~box(0, 0, 100, 100)
    assert pieces_to_fix(box(10, 10, 40, 40), NOTHING, known) == 0
    assert pieces_to_fix(NOTHING, box(10, 10, 40, 40), known) == 0
    assert pieces_to_fix(NOTHING, box(10, 10, 40, 140), known) == 1
