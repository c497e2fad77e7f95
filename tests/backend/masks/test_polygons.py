"""Outlines and polygons: exact where nothing is simplified, close to the mask where it is."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backend.masks.outlines import mask_outlines
from backend.masks.polygons import PolygonConfig, mask_to_polygons, polygon_to_mask

EXACT = PolygonConfig(tolerance=0, tolerance_px=0, speck_area=0, speck_px=0, max_parts=10_000)

small_masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14))


def filled(polygons: list[np.ndarray], hw: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(hw, np.bool_)
    for polygon in polygons:
        mask |= polygon_to_mask(polygon, height_px=hw[0], width_px=hw[1])
    return mask


def iou(first: np.ndarray, second: np.ndarray) -> float:
    return (first & second).sum() / (first | second).sum()


def smooth_blobs(seed: int, blur_px: float, hw: tuple[int, int] = (300, 400)) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(hw)
    field = cv2.GaussianBlur(noise, (0, 0), blur_px)
    return field > field.std() * 0.5


def ring(radius_px: int, hole_px: int) -> np.ndarray:
    canvas = np.zeros((480, 640), np.uint8)
    cv2.ellipse(canvas, (320, 240), (radius_px, radius_px * 2 // 3), 30, 0, 360, 1, -1)
    cv2.ellipse(canvas, (320, 240), (hole_px, hole_px // 2), 0, 0, 360, 0, -1)
    return canvas.astype(bool)


def part_count(mask: np.ndarray) -> int:
    return cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[0] - 1


# Outlines.


def test_one_pixel_has_the_outline_of_its_square():
    (ring,) = mask_outlines(np.array([[False, True]]))
    assert ring.corners.tolist() == [[1, 0], [2, 0], [2, 1], [1, 1]]
    assert (ring.area, ring.inside_xy) == (1.0, (1.5, 0.5))


@given(small_masks)
def test_outlines_hold_the_area_of_the_mask_and_turn_at_every_corner(mask):
    rings = mask_outlines(mask)
    assert sum(ring.area for ring in rings) == mask.sum()
    assert [abs(r.area) for r in rings] == sorted((abs(r.area) for r in rings), reverse=True)
    for ring in rings:
        x, y = ring.inside_xy
        assert mask[int(y), int(x)]
        steps = np.diff(ring.corners, axis=0, append=ring.corners[:1])
        assert (steps[::2, 1] == 0).all()  # every other edge is horizontal, the rest vertical
        assert (steps[1::2, 0] == 0).all()
        assert (np.abs(steps).sum(axis=1) > 0).all()


@given(small_masks)
def test_each_part_and_each_hole_has_one_outline(mask):
    areas = [ring.area for ring in mask_outlines(mask)]
    outside_and_holes = cv2.connectedComponents((~np.pad(mask, 1)).astype(np.uint8))[0] - 1
    assert sum(area > 0 for area in areas) == part_count(mask)
    assert sum(area < 0 for area in areas) == outside_and_holes - 1


def test_specks_have_no_outline_but_the_largest_speck_stays():
    mask = np.zeros((9, 9), bool)
    mask[1:3, 1:3] = mask[5, 5:8] = mask[8, 0] = True
    assert [ring.area for ring in mask_outlines(mask, 3)] == [4, 3]
    assert [ring.area for ring in mask_outlines(mask, 100)] == [4]


# Polygons.


@given(small_masks)
def test_polygons_that_are_not_simplified_give_the_mask_back(mask):
    polygons = mask_to_polygons(mask, EXACT)
    assert len(polygons) == part_count(mask)
    np.testing.assert_array_equal(filled(polygons, mask.shape), mask)


@given(small_masks)
def test_holes_stay_open_for_fill_rules_of_both_kinds(mask):
    # cv2 counts crossings; polygon_to_mask counts turns, like a browser.
    height_px, width_px = mask.shape
    drawn = np.zeros(mask.shape, np.uint8)
    for polygon in mask_to_polygons(mask, EXACT):
        scaled = np.zeros((64 * height_px, 64 * width_px), np.uint8)
        cv2.fillPoly(scaled, [(polygon * 64).astype(np.int32)], 1)
        # Read beside the centres: the slanting cuts between holes, which cv2 draws, may pass those.
        drawn |= scaled[23::64, 37::64]
    np.testing.assert_array_equal(drawn.astype(bool), mask)


@pytest.mark.parametrize(
    "mask",
    [
        ring(200, 60),
        ring(60, 30),
        ring(20, 9),
        ring(10, 4),
        ring(200, 60) & ~np.roll(ring(40, 4), 100, axis=1),  # two holes
        ring(200, 150) | ring(80, 40),  # a ring within a ring
    ],
    ids=["large", "middle", "small", "tiny", "two holes", "nested"],
)
def test_a_shape_with_holes_keeps_its_area(mask):
    polygons = mask_to_polygons(mask)
    assert len(polygons) == part_count(mask)
    assert iou(filled(polygons, mask.shape), mask) >= 0.97


@pytest.mark.parametrize("seed", range(4))
def test_blobs_with_holes_are_close_and_short(seed):
    mask = smooth_blobs(seed, blur_px=12)
    polygons = mask_to_polygons(mask)
    assert iou(filled(polygons, mask.shape), mask) >= 0.97
    corners = sum(len(ring.corners) for ring in mask_outlines(mask))
    assert sum(map(len, polygons)) < corners / 2


def test_thin_parts_keep_their_width():
    mask = np.zeros((200, 300), bool)
    mask[100, 10:290] = mask[20:180, 50:52] = True
    assert iou(filled(mask_to_polygons(mask), mask.shape), mask) == 1


def test_parts_come_largest_first_and_specks_not_at_all():
    mask = np.zeros((100, 200), bool)
    mask[10:20, 10:20] = mask[30:80, 30:90] = mask[5, 150:153] = True
    mask[40:42, 40:42] = False  # a speck of a hole
    large, small = mask_to_polygons(mask)
    assert sorted(map(tuple, large.tolist())) == [(30, 30), (30, 80), (90, 30), (90, 80)]
    assert sorted(map(tuple, small.tolist())) == [(10, 10), (10, 20), (20, 10), (20, 20)]


def test_a_mask_of_only_a_speck_is_one_polygon():
    mask = np.zeros((1000, 1000), bool)
    mask[500, 500] = mask[3, 3] = True
    assert len(mask_to_polygons(mask)) == 1


def test_an_empty_mask_has_no_polygon():
    assert mask_to_polygons(np.zeros((5, 5), bool)) == []


def test_only_so_many_parts_are_kept_with_their_own_holes():
    mask = np.zeros((100, 200), bool)
    for column in range(0, 200, 20):
        mask[10 : 30 + column // 4, column + 2 : column + 18] = True
        mask[14:20, column + 5 : column + 12] = False
    config = PolygonConfig(max_parts=3)
    expected = mask & (np.arange(200) >= 140)  # the three highest columns
    np.testing.assert_array_equal(filled(mask_to_polygons(mask, config), mask.shape), expected)


# Filling.


@given(
    hnp.arrays(np.float64, (4, 2), elements=st.floats(-30, 50)),
    st.integers(1, 20),
    st.integers(1, 20),
)
def test_a_pixel_is_filled_when_the_outline_winds_around_its_centre(points, height_px, width_px):
    mask = polygon_to_mask(points, height_px=height_px, width_px=width_px)
    for y, x in np.ndindex(mask.shape):
        to_corners = points - (x + 0.5, y + 0.5)
        angles = np.arctan2(to_corners[:, 1], to_corners[:, 0])
        turns = np.diff(angles, append=angles[:1])
        if (
            np.min(np.abs(np.abs(turns) - np.pi)) < 1e-6
            or np.abs(to_corners).max(axis=1).min() < 1e-6
        ):
            continue  # the centre lies on an edge: either answer is right
        winding = round(((turns + np.pi) % (2 * np.pi) - np.pi).sum() / (2 * np.pi))
        assert mask[y, x] == (winding != 0)


def test_an_outline_that_overlaps_itself_stays_filled():
    pentagram = [(50 + 45 * np.sin(k * 4 * np.pi / 5), 50 - 45 * np.cos(k * 4 * np.pi / 5))
                 for k in range(5)]  # fmt: skip
    assert polygon_to_mask(np.array(pentagram), height_px=100, width_px=100)[50, 50]


def test_an_outline_too_long_to_fill_is_refused():
    zigzag = np.tile([(0.0, 0.0), (1.0, 1e6)], (1000, 1))
    with pytest.raises(ValueError, match="rows of pixels"):
        polygon_to_mask(zigzag, height_px=10_000, width_px=10)
