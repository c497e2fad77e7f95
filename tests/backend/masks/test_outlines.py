"""Outlines: exact when filled, in parts with their holes, with straight slanted edges."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backend.masks.outlines import Outline, mask_outlines
from tests.backend.masks.random_masks import (
    components,
    dense_masks,
    holes_of,
    small_masks,
    winding_fill,
)


def filled(part: Outline, hw: tuple[int, ...]) -> np.ndarray:
    holes = [hole.half_px / 2 for hole in part.holes]
    return winding_fill([part.half_px / 2], hw) & ~winding_fill(holes, hw)


def as_sets(outlines: list[np.ndarray]) -> list[bytes]:
    return sorted(np.packbits(outline).tobytes() for outline in outlines)


def test_one_pixel_has_the_outline_of_its_square():
    (part,) = mask_outlines(np.array([[False, True]]))
    assert part.half_px.tolist() == [[2, 0], [4, 0], [4, 2], [2, 2]]
    assert (part.area_px, part.holes) == (1.0, ())


@given(small_masks | dense_masks)
def test_filled_outlines_are_the_parts_of_the_mask(mask):
    outlines = mask_outlines(mask)
    parts = components(mask, connectivity=8)
    assert as_sets([filled(part, mask.shape) for part in outlines]) == as_sets(parts)
    areas_px = [part.area_px for part in outlines]
    assert areas_px == sorted(areas_px, reverse=True)
    for part in outlines:
        cover = filled(part, mask.shape)
        holes_px = [hole.area_px for hole in part.holes]
        assert holes_px == sorted((hole.sum() for hole in holes_of(cover)), reverse=True)
        assert part.area_px == cover.sum() + sum(holes_px)


@given(dense_masks, st.integers(2, 40))
def test_small_parts_and_holes_are_left_out_but_not_the_largest_part(mask, min_area_px):
    def large(outlines: list[Outline]) -> list[tuple[float, list[float]]]:
        return [
            (part.area_px, [h.area_px for h in part.holes if h.area_px >= min_area_px])
            for n, part in enumerate(outlines)
            if n == 0 or part.area_px >= min_area_px
        ]

    kept = mask_outlines(mask, min_area_px)
    assert [(part.area_px, [h.area_px for h in part.holes]) for part in kept] == large(
        mask_outlines(mask)
    )


def test_specks_have_no_outline_but_the_largest_speck_stays():
    mask = np.zeros((9, 9), bool)
    mask[1:3, 1:3] = mask[5, 5:8] = mask[8, 0] = True
    assert [part.area_px for part in mask_outlines(mask, 3)] == [4, 3]
    assert [part.area_px for part in mask_outlines(mask, 100)] == [4]


def test_only_so_many_parts_and_holes_are_kept_and_they_are_the_largest():
    mask = np.zeros((20, 60), bool)
    mask[:, :20] = mask[:10, 30:40] = mask[:4, 50:54] = True
    mask[2:4, 2:4] = mask[6:9, 6:9] = mask[12, 12] = False
    large, small = mask_outlines(mask, max_parts=2, max_holes=2)
    assert (large.area_px, small.area_px) == (400, 100)
    assert [hole.area_px for hole in large.holes] == [9, 4]


def test_pixels_that_touch_at_a_corner_are_one_part():
    assert len(mask_outlines(np.eye(30, dtype=bool))) == 1


def test_the_edges_of_a_slanted_shape_are_straight():
    (part,) = mask_outlines(np.tri(50, dtype=bool))
    edges = np.diff(part.half_px, axis=0, append=part.half_px[:1])
    is_slanted = (edges != 0).all(axis=1)
    assert (np.abs(edges[is_slanted, 0]) == np.abs(edges[is_slanted, 1])).all()  # 45 degrees
    assert is_slanted.sum() >= 48


def test_the_corners_of_straight_shapes_stay_sharp():
    mask = np.zeros((20, 30), bool)
    mask[2:15, 3:20] = mask[8:15, 3:27] = True
    (part,) = mask_outlines(mask)
    corners = [(3, 2), (20, 2), (20, 8), (27, 8), (27, 15), (3, 15)]
    assert (part.half_px / 2).tolist() == [list(corner) for corner in corners]
