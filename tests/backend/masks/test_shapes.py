"""Rectangles and ellipses around masks, and back."""

import cv2
import numpy as np
import pytest

from backend.masks.regions import decode_region
from backend.masks.shapes import ellipse_around, rectangle_around
from tests.backend.masks.random_masks import iou

HW = (300, 400)
SIZE = {"original_height": HW[0], "original_width": HW[1]}


def decoded(value: dict) -> np.ndarray:
    return decode_region({"type": "any", "value": value, **SIZE})


def ellipse(center: tuple[int, int], radii: tuple[int, int], degrees: float) -> np.ndarray:
    canvas = np.zeros(HW, np.uint8)
    cv2.ellipse(canvas, center, radii, degrees, 0, 360, 1, -1)
    return canvas.astype(bool)


def test_a_rectangle_comes_back_as_it_was():
    mask = np.zeros(HW, bool)
    mask[30:90, 100:300] = True
    value = rectangle_around(mask)
    assert value == {"x": 25, "y": 10, "width": 50, "height": 20, "rotation": 0}
    np.testing.assert_array_equal(decoded(value), mask)


def test_a_rectangle_touches_its_mask_on_all_sides():
    mask = ellipse((200, 150), (90, 40), 30)
    around = decoded(rectangle_around(mask))
    assert not (mask & ~around).any()
    rows, columns = np.nonzero(around)
    for edge in (mask[rows.min()], mask[rows.max()]):
        assert edge.any()
    for edge in (mask[:, columns.min()], mask[:, columns.max()]):
        assert edge.any()


@pytest.mark.parametrize("degrees", [0, 25, 90, 120, 179])
@pytest.mark.parametrize("radii", [(90, 40), (60, 20)])
def test_an_ellipse_comes_back_as_it_was(degrees, radii):
    mask = ellipse((200, 150), radii, degrees)
    assert iou(decoded(ellipse_around(mask)), mask) > 0.96


def test_radii_stay_within_what_label_studio_takes():
    upright = np.zeros((400, 100), np.uint8)
    cv2.ellipse(upright, (50, 200), (190, 40), 90, 0, 360, 1, -1)
    tall = upright.astype(bool)
    for mask in (tall, tall.T.copy(), np.ones((60, 90), bool)):
        value = ellipse_around(mask)
        assert 0 < value["radiusX"] <= 50
        assert 0 < value["radiusY"] <= 50
        assert value["rotation"] == 0


def test_an_ellipse_has_the_area_of_its_mask_and_a_round_one_is_not_turned():
    square = np.zeros(HW, bool)
    square[50:150, 50:150] = True
    value = ellipse_around(square)
    assert value["rotation"] == 0
    assert np.count_nonzero(decoded(value)) == pytest.approx(100 * 100, rel=0.01)


@pytest.mark.parametrize("around", [rectangle_around, ellipse_around])
def test_a_mask_of_one_pixel_or_of_a_line_has_a_shape_with_area(around):
    for rows, columns in ((slice(7, 8), slice(9, 10)), (slice(7, 8), slice(20, 200))):
        mask = np.zeros(HW, bool)
        mask[rows, columns] = True
        assert (decoded(around(mask)) & mask).any()
