"""The connected parts of a mask and their names."""

import numpy as np

from backend.masks.parts import MAX_PARTS, connected_parts

HW = (160, 320)


def boxes(*corners: tuple[int, int, int]) -> np.ndarray:
    """Squares by top, left and side."""
    mask = np.zeros(HW, bool)
    for top, left, side in corners:
        mask[top : top + side, left : left + side] = True
    return mask


LARGE, MIDDLE, SMALL = (10, 10, 40), (100, 200, 16), (20, 250, 6)


def test_parts_make_up_the_mask_the_largest_first():
    mask = boxes(SMALL, MIDDLE, LARGE)
    parts = list(connected_parts(mask, 1))
    assert [int(part.mask.sum()) for part in parts] == [1600, 256, 36]
    np.testing.assert_array_equal(sum(part.mask.astype(int) for part in parts), mask)


def test_parts_that_touch_at_a_corner_are_one():
    assert len(list(connected_parts(boxes((10, 10, 5), (15, 15, 5)), 1))) == 1


def test_parts_below_the_minimum_are_dropped():
    assert len(list(connected_parts(boxes(SMALL, MIDDLE, LARGE), 37))) == 2
    assert list(connected_parts(boxes(SMALL), 37)) == []
    assert list(connected_parts(np.zeros(HW, bool), 0)) == []


def test_a_part_keeps_its_name_when_others_come_and_go_or_its_edge_moves():
    (alone,) = connected_parts(boxes(MIDDLE), 1)
    together = {part.name for part in connected_parts(boxes(SMALL, MIDDLE, LARGE), 1)}
    assert alone.name in together
    assert len(together) == 3
    (moved,) = connected_parts(boxes((101, 201, 15)), 1)
    assert moved.name == alone.name


def test_parts_around_one_place_have_names_of_their_own():
    ring = boxes((20, 20, 101)) & ~boxes((25, 25, 91))
    within = boxes((60, 60, 21))
    names = [part.name for part in connected_parts(ring | within, 1)]
    assert len(set(names)) == 2
    assert names[1] == f"{names[0]}-1"  # both have their center at row 70 and column 70


def test_of_very_many_parts_the_largest_are_kept():
    mask = np.zeros(HW, bool)
    mask[::4, ::4] = True
    mask[40:60, 40:60] = True
    parts = list(connected_parts(mask, 1))
    assert len(parts) == MAX_PARTS
    assert parts[0].mask.sum() >= 400
