"""The measures, on masks by hand."""

import numpy as np
import pytest

from backend.evaluation.agreement import (
    Agreement,
    compare_masks,
    mean_over_labels,
    pooled,
)

HW = (100, 200)
NOTHING = np.zeros(HW, dtype=bool)


def box(top: int, left: int, height: int, width: int) -> np.ndarray:
    mask = NOTHING.copy()
    mask[top : top + height, left : left + width] = True
    return mask


def test_iou_precision_and_recall_are_shares_of_pixels():
    found = compare_masks(box(10, 10, 40, 40), box(10, 30, 40, 40))  # 800 of 1600 in common
    assert found.iou == pytest.approx(800 / 2400)
    assert found.precision == found.recall == pytest.approx(0.5)
    smaller = compare_masks(box(10, 10, 40, 40), box(10, 10, 40, 10))
    assert (smaller.precision, smaller.recall) == (1, 0.25)


def test_equal_masks_agree_in_every_measure():
    found = compare_masks(box(10, 10, 40, 40), box(10, 10, 40, 40))
    assert (found.iou, found.precision, found.recall, found.boundary) == (1, 1, 1, 1)
    assert found.pieces == 0


def test_a_label_that_neither_drew_bears_no_measure():
    found = compare_masks(NOTHING, NOTHING)
    assert (found.iou, found.precision, found.recall, found.boundary) == (None, None, None, None)
    assert (found.pieces, found.images) == (0, 1)


def test_a_label_that_one_of_them_drew_has_no_overlap():
    missed, invented = (
        compare_masks(box(0, 0, 9, 9), NOTHING),
        compare_masks(NOTHING, box(0, 0, 9, 9)),
    )
    assert (missed.iou, missed.precision, missed.recall, missed.boundary) == (0, None, 0, 0)
    assert (invented.iou, invented.precision, invented.recall, invented.boundary) == (0, 0, None, 0)


def test_contours_within_the_tolerance_meet():
    """0.75% of the diagonal of 200 x 100 pixels is 2."""
    drawn = box(20, 20, 40, 40)
    assert compare_masks(drawn, box(22, 22, 36, 36)).boundary == 1
    assert compare_masks(drawn, box(23, 23, 34, 34)).boundary == 0
    half = compare_masks(drawn, box(20, 20, 40, 80)).boundary
    assert half is not None
    assert 0.5 < half < 0.9  # three of its sides meet


def test_images_are_pooled_by_their_pixels():
    large, small = (
        compare_masks(box(0, 0, 50, 90), box(0, 0, 50, 90)),
        compare_masks(box(0, 0, 10, 10), NOTHING),
    )
    total = pooled([{"Cat": large}, {"Cat": small, "Dog": small}])
    assert list(total) == ["Cat", "Dog"]
    assert total["Cat"].iou == pytest.approx(4500 / 4600)
    assert (total["Cat"].images, total["Cat"].pieces) == (2, 1)


def test_the_mean_is_over_labels_that_bear_the_measure():
    perfect = Agreement(images=1, common_px=10)
    wrong = Agreement(images=1, missed_px=10)
    agreements = {"a": perfect, "b": wrong, "c": Agreement(images=1)}
    assert mean_over_labels(agreements, "iou") == 0.5
    assert mean_over_labels(agreements, "precision") == 1
    assert mean_over_labels({"c": Agreement()}, "iou") is None
