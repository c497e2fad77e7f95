"""The loops around parts and holes: complete, closed, told apart, and without the specks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.masks.side_loops import SideLoops, side_loops
from tests.backend.masks.random_masks import (
    components,
    dense_masks,
    holes_of,
    small_masks,
    spiral_mask,
)


def heads(loops: SideLoops) -> np.ndarray:
    return loops.ordered[loops.begins]


def areas(mask: np.ndarray, min_area_px: float = 0) -> list[float]:
    loops = side_loops(mask, min_area_px)
    return [] if loops is None else sorted(loops.areas_px().tolist())


def enclosed_areas(mask: np.ndarray) -> list[float]:
    """The signed areas of all loops: around each part, and around each of its holes."""
    parts = components(mask, connectivity=8)
    holes = [hole.sum() for part in parts for hole in holes_of(part)]
    filled = [part.sum() + sum(hole.sum() for hole in holes_of(part)) for part in parts]
    return sorted([*filled, *(-hole for hole in holes)])


def test_one_pixel_is_a_loop_of_its_two_sides():
    loops = side_loops(np.array([[False, True]]))
    assert loops is not None
    assert (loops.x.tolist(), loops.y.tolist()) == ([1, 2], [0, 0])
    assert loops.following.tolist() == [1, 0]
    assert loops.areas_px().tolist() == [1]


def test_an_empty_mask_has_no_loops():
    assert side_loops(np.zeros((3, 4), np.bool_)) is None


@given(small_masks | dense_masks)
def test_there_is_one_loop_around_each_part_and_each_hole(mask):
    assert areas(mask) == enclosed_areas(mask)


@given(dense_masks)
def test_each_side_is_in_one_loop_in_its_order(mask):
    loops = side_loops(mask)
    if loops is None:
        return
    assert sorted(loops.ordered.tolist()) == list(range(loops.x.size))
    for loop in np.split(loops.ordered, loops.begins[1:]):
        np.testing.assert_array_equal(loops.following[loop], np.roll(loop, -1))
        assert loop[0] == loop.min()
        assert (loops.head[loop] == loop[0]).all()


@given(dense_masks)
def test_each_hole_is_of_the_part_that_encloses_it(mask):
    loops = side_loops(mask)
    if loops is None:
        return
    areas_px, is_hole = loops.areas_px(), loops.areas_px() < 0
    part_of = loops.parts_around(heads(loops))
    np.testing.assert_array_equal(part_of[~is_hole], heads(loops)[~is_hole])
    covered = [areas_px[part_of == part].sum() for part in heads(loops)[~is_hole]]
    assert sorted(covered) == sorted(part.sum() for part in components(mask, connectivity=8))


@given(dense_masks, st.integers(2, 60))
def test_leaving_out_specks_leaves_the_other_loops_as_they_are(mask, min_area_px):
    kept, everything = areas(mask, min_area_px), areas(mask)
    assert [a for a in kept if abs(a) >= min_area_px] == [
        a for a in everything if abs(a) >= min_area_px
    ]
    assert set(kept) <= set(everything)
    assert max(kept, default=0) == max(everything, default=0)


@pytest.mark.parametrize("side_px", [5, 21, 101])
def test_a_loop_may_be_as_long_as_it_likes(side_px):
    mask = spiral_mask(side_px)
    assert areas(mask, min_area_px=2) == [mask.sum()]
