"""Rectangles and ellipses of Label Studio around masks, and their corners in pixels.

Coordinates are percents of the image's width and height, angles degrees clockwise. A rectangle
turns about its top left corner, an ellipse about its center.
"""

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.errors import RequestError

ELLIPSE_CORNERS = 256  # of the polygon that stands for an ellipse; it lacks 0.01 % of the area
LARGEST_RADIUS = 50.0  # percent that Label Studio's SDK finds valid: of the whole side
ROUND_BELOW = 1.05  # ratio of the radii below which an ellipse is not turned
COORDINATE_DIGITS = 4  # of percents: a hundredth of a pixel in an image of 10,000 pixels

Mask = NDArray[np.bool_]  # (H, W)


def rectangle_around(mask: Mask) -> dict[str, float]:
    """The smallest upright rectangle around a mask that is not empty: x, y, width, height and
    rotation 0."""
    height_px, width_px = mask.shape
    left, top, box_width_px, box_height_px = cv2.boundingRect(mask.view(np.uint8))
    return {
        "x": _percent(left, width_px),
        "y": _percent(top, height_px),
        "width": _percent(box_width_px, width_px),
        "height": _percent(box_height_px, height_px),
        "rotation": 0,
    }


def ellipse_around(mask: Mask) -> dict[str, float]:
    """The ellipse of a mask's center, area and second moments: x, y, radiusX, radiusY, rotation.

    Of an ellipse it is the ellipse itself. The mask must not be empty.
    """
    height_px, width_px = mask.shape
    rows, columns = np.nonzero(mask)
    center = np.array([columns.mean(), rows.mean()]) + 0.5
    # A pixel is a square: it has a twelfth of variance within itself.
    covariance = np.cov(np.stack((columns, rows)), ddof=0) + np.eye(2) / 12
    variances, axes = np.linalg.eigh(covariance)  # ascending
    minor_px, major_px = 2 * np.sqrt(variances)
    scale = math.sqrt(len(rows) / (math.pi * minor_px * major_px))  # to the mask's area
    degrees = math.degrees(math.atan2(axes[1, 1], axes[0, 1])) % 180
    radius_x_px, radius_y_px = scale * major_px, scale * minor_px
    if major_px < ROUND_BELOW * minor_px:
        degrees = 0.0
    elif 45 < degrees <= 135:  # the radius of x is the one nearer to x, and fits the width
        degrees, radius_x_px, radius_y_px = degrees - 90, radius_y_px, radius_x_px
    return {
        "x": _percent(center[0], width_px),
        "y": _percent(center[1], height_px),
        "radiusX": min(_percent(radius_x_px, width_px), LARGEST_RADIUS),
        "radiusY": min(_percent(radius_y_px, height_px), LARGEST_RADIUS),
        "rotation": round(degrees, 2) % 180,
    }


def rectangle_corners(
    value: Mapping[str, Any], height_px: int, width_px: int
) -> NDArray[np.float64]:
    """The corners (4, 2) of a rectangle, x and y in pixels. Raises RequestError."""
    size = parse_numbers([value["width"], value["height"]]) * (width_px / 100, height_px / 100)
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * size
    return _rotate_and_translate(corners, value, height_px, width_px)


def ellipse_corners(value: Mapping[str, Any], height_px: int, width_px: int) -> NDArray[np.float64]:
    """Points (N, 2) on an ellipse, x and y in pixels. Raises RequestError."""
    radii = parse_numbers([value["radiusX"], value["radiusY"]]) * (width_px / 100, height_px / 100)
    angles = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)
    corners = np.stack((np.cos(angles), np.sin(angles)), axis=1) * radii
    return _rotate_and_translate(corners, value, height_px, width_px)


def parse_numbers(raw: Any) -> NDArray[np.float64]:
    """The numbers of a region's coordinates. Raises RequestError for others."""
    try:
        numbers = np.array(raw, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise RequestError(f"A region's coordinates must be numbers: {raw!r:.100}") from error
    if not np.all(np.abs(numbers) < 1e6):  # NaN is not less either
        raise RequestError(f"A region's coordinates must be finite percents: {raw!r:.100}")
    return numbers


def _rotate_and_translate(
    corners: NDArray[np.float64], value: Mapping[str, Any], height_px: int, width_px: int
) -> NDArray[np.float64]:
    """Corners (N, 2) in pixels, rotated clockwise about their origin and moved to x, y."""
    placement = parse_numbers([value["x"], value["y"], value.get("rotation") or 0])
    x, y, degrees = map(float, placement)
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    origin = np.array([x * width_px / 100, y * height_px / 100])
    placed: NDArray[np.float64] = corners @ np.array([(cos, sin), (-sin, cos)]) + origin
    return placed


def _percent(length_px: float, side_px: int) -> float:
    return round(100 * float(length_px) / side_px, COORDINATE_DIGITS)
