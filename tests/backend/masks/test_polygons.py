"""Polygons: exact where nothing is simplified, close to the mask and short where it is."""

import logging
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backend.masks.outlines import mask_outlines
from backend.masks.polygons import PolygonConfig, mask_to_polygons, polygon_to_mask
from tests.backend.masks.random_masks import (
    components,
    dense_masks,
    even_odd_fill,
    holes_of,
    iou,
    small_masks,
    winding_fill,
)

EXACT = PolygonConfig(
    tolerance=0, tolerance_px=0, speck_area=0, speck_px=0, max_parts=10_000, max_holes=10_000
)


def smooth_blobs(seed: int, blur_px: float, hw: tuple[int, int] = (300, 400)) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(hw)
    field = cv2.GaussianBlur(noise, (0, 0), blur_px)
    return field > field.std() * 0.5


def ring(radius_px: int, hole_px: int) -> np.ndarray:
    canvas = np.zeros((480, 640), np.uint8)
    cv2.ellipse(canvas, (320, 240), (radius_px, radius_px * 2 // 3), 30, 0, 360, 1, -1)
    cv2.ellipse(canvas, (320, 240), (hole_px, hole_px // 2), 0, 0, 360, 0, -1)
    return canvas.astype(bool)


def line(degrees: float, width_px: int) -> np.ndarray:
    canvas = np.zeros((768, 1024), np.uint8)
    x, y = (300 * np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])).astype(int)
    cv2.line(canvas, (512 - x, 384 - y), (512 + x, 384 + y), 1, width_px)
    return canvas.astype(bool)


def without_specks(mask: np.ndarray, speck_px: int) -> np.ndarray:
    """The parts that enclose at least so much, with those of their holes that do."""
    kept = np.zeros_like(mask)
    for part in components(mask, connectivity=8):
        holes = holes_of(part)
        if part.sum() + sum(hole.sum() for hole in holes) >= speck_px:
            kept |= np.logical_or.reduce([part, *(h for h in holes if h.sum() < speck_px)])
    return kept


# Exact polygons.


@given(small_masks | dense_masks)
def test_polygons_that_are_not_simplified_give_the_mask_back(mask):
    polygons = mask_to_polygons(mask, EXACT)
    assert len(polygons) == len(components(mask, connectivity=8))
    np.testing.assert_array_equal(winding_fill(polygons, mask.shape), mask)


@given(small_masks | dense_masks)
def test_holes_stay_open_for_fill_rules_of_both_kinds(mask):
    polygons = mask_to_polygons(mask, EXACT)
    np.testing.assert_array_equal(even_odd_fill(polygons, mask.shape), mask)


@given(dense_masks, st.integers(2, 30))
def test_polygons_give_the_mask_back_without_its_specks(mask, speck_px):
    expected = without_specks(mask, speck_px)
    assume(expected.any())  # of specks alone the largest stays
    polygons = mask_to_polygons(mask, replace(EXACT, speck_px=speck_px))
    np.testing.assert_array_equal(winding_fill(polygons, mask.shape), expected)


# Simplified ones.


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
    assert len(polygons) == len(components(mask, connectivity=8))
    assert iou(winding_fill(polygons, mask.shape), mask) >= 0.97


@pytest.mark.parametrize("seed", range(4))
def test_blobs_with_holes_are_close_and_short(seed):
    mask = smooth_blobs(seed, blur_px=12)
    polygons = mask_to_polygons(mask)
    assert iou(winding_fill(polygons, mask.shape), mask) >= 0.98
    rings = [ring for part in mask_outlines(mask) for ring in (part, *part.holes)]
    length_px = sum(cv2.arcLength(ring.half_px, closed=True) / 2 for ring in rings)
    assert sum(map(len, polygons)) < length_px / 6


@pytest.mark.parametrize("width_px", [1, 2, 3])
@pytest.mark.parametrize("degrees", [0, 3, 10, 22.5, 30, 45, 60, 75, 88, 90, 120, 171])
def test_thin_lines_keep_their_area_and_place(degrees, width_px):
    mask = line(degrees, width_px)
    (polygon,) = mask_to_polygons(mask)
    assert iou(winding_fill([polygon], mask.shape), mask) >= 0.9
    assert len(polygon) < 400  # of the 1200 corners of its 600 pixels


@pytest.mark.parametrize("width_px", [1, 2, 3])
def test_thin_closed_lines_keep_their_area_and_place(width_px):
    canvas = np.zeros((768, 1024), np.uint8)
    cv2.ellipse(canvas, (500, 380), (300, 200), 20, 0, 360, 1, width_px)
    mask = canvas.astype(bool)
    assert iou(winding_fill(mask_to_polygons(mask), mask.shape), mask) >= 0.9


@pytest.mark.parametrize("height", [600, 2250])
@pytest.mark.parametrize("degrees", [3, 15, 45, 80, 171])
def test_a_thin_line_that_hangs_on_a_blob_keeps_its_area(degrees, height):
    line, blob = (np.zeros((height, height * 4 // 3), np.uint8) for _ in range(2))
    center, angle = np.array([height * 2 // 3, height // 2]), np.deg2rad(degrees)
    end = center + np.array([np.cos(angle), np.sin(angle)]) * height * 0.45
    cv2.line(line, center.tolist(), end.astype(int).tolist(), 1)
    cv2.circle(blob, center.tolist(), height // 6, 1, -1)
    mask, string = (line | blob).astype(bool), (line & ~blob).astype(bool)
    (polygon,) = mask_to_polygons(mask)
    found = winding_fill([polygon], mask.shape)
    assert np.count_nonzero(found & string) >= 0.95 * np.count_nonzero(string)
    assert len(polygon) < height  # of which the line has most


def test_crossing_lines_keep_their_width():
    mask = np.zeros((200, 300), bool)
    mask[100, 10:290] = mask[20:180, 50:52] = True
    assert iou(winding_fill(mask_to_polygons(mask), mask.shape), mask) == 1


def test_long_outlines_are_simplified_in_pieces_as_well():
    rng = np.random.default_rng(0)
    mask = np.arange(1000)[:, None] > 300 + rng.integers(0, 40, 3000)
    (polygon,) = mask_to_polygons(mask)
    outline = mask_outlines(mask, 100)[0]
    assert len(outline.half_px) > 4096
    assert len(polygon) < len(outline.half_px)
    assert iou(winding_fill([polygon], mask.shape), mask) >= 0.99


# Parts and limits.


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
    polygons = mask_to_polygons(mask, config)
    np.testing.assert_array_equal(winding_fill(polygons, mask.shape), expected)


def test_a_mask_as_fine_as_a_checkerboard_is_traced_coarsely_and_that_is_logged(caplog):
    y, x = np.ogrid[:2101, :3001]
    mask = (y + x) % 2 == 0
    mask[:, 1501:] = False
    mask[100:600, 2000:2601] = True
    with caplog.at_level(logging.WARNING):
        board, square = mask_to_polygons(mask)
    assert "1/2 of its resolution" in caplog.text
    assert (board.min(axis=0).tolist(), board.max(axis=0).tolist()) == ([0, 0], [1500, 2100])
    expected = np.zeros_like(mask)
    expected[100:600, 2000:2601] = True
    assert iou(winding_fill([square], mask.shape), expected) >= 0.99


def test_a_fine_mask_of_specks_alone_still_has_a_polygon():
    mask = np.zeros((3000, 3600), bool)
    mask[::3, ::3] = True
    assert len(mask_to_polygons(mask)) == 1


# Filling.


@given(
    hnp.arrays(np.float64, (4, 2), elements=st.floats(-30, 50)),
    st.integers(1, 20),
    st.integers(1, 20),
)
def test_a_pixel_is_filled_when_the_outline_winds_around_its_center(points, height_px, width_px):
    mask = polygon_to_mask(points, height_px=height_px, width_px=width_px)
    for y, x in np.ndindex(mask.shape):
        to_corners = points - (x + 0.5, y + 0.5)
        angles = np.arctan2(to_corners[:, 1], to_corners[:, 0])
        turns = np.diff(angles, append=angles[:1])
        if (
            np.min(np.abs(np.abs(turns) - np.pi)) < 1e-6
            or np.abs(to_corners).max(axis=1).min() < 1e-6
        ):
            continue  # the center lies on an edge: either answer is right
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
