"""Appearance of pixels: color, edges and texture at several scales, without the model.

The features of interactive pixel classification (ilastik, Berg et al. 2019; scikit-image's
`multiscale_basic_features`), here of OpenCV, since they are computed for each prediction.
Shapes: H, W pixels at working size, F features.
"""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from model.refine.tiles import working_size

# Lessons remember which features theirs are: change it with anything below.
FEATURES_NAME = "lab-5-scales-1"
SCALES_PX = (1, 2, 4, 8, 16)
N_FEATURES = 3 + len(SCALES_PX) * 8 - 1
# Larger images are shrunk: time and memory of a prediction stay bounded. A line of 1 px of an image
# twice as wide is still half a pixel of contrast.
WORKING_PIXELS = 640 * 640
MIDDLE_LIGHTNESS = 50.0  # of CIELAB

Image = NDArray[np.uint8]
Plane = NDArray[Any]  # float32, (H, W) or, for colors, (H, W, 3)


def working_image(image: Image) -> Image:
    """The RGB image (H', W', 3) shrunk to WORKING_PIXELS; as it is if it has no more."""
    height_px, width_px = working_size((image.shape[0], image.shape[1]), WORKING_PIXELS)
    if (height_px, width_px) == image.shape[:2]:
        return image
    shrunk = cv2.resize(image, (width_px, height_px), interpolation=cv2.INTER_AREA)
    return shrunk.astype(np.uint8, copy=False)


def pixel_features(image: Image) -> NDArray[np.float32]:
    """Features (H, W, F) of an RGB image (H, W, 3).

    CIELAB colors; then at each scale: the smoothed colors, lightness minus smoothed lightness, the
    gradient's magnitude, the Hessian's two eigenvalues, and but for the smallest the standard
    deviation of lightness. Derivatives are multiplied by the scale, so that all are of one size.
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    lightness = np.ascontiguousarray(lab[..., 0])
    planes = [lab, *(plane for scale in SCALES_PX for plane in _at_scale(lab, lightness, scale))]
    stacked: NDArray[np.float32] = np.concatenate(
        [np.atleast_3d(plane) for plane in planes], axis=2, dtype=np.float32
    )
    return stacked


def _at_scale(lab: Plane, lightness: Plane, scale_px: int) -> Iterator[Plane]:
    smooth = smoothed(lab, scale_px)
    light = np.ascontiguousarray(smooth[..., 0])
    yield smooth
    yield lightness - light
    across, down = _derivative(light, scale_px, 1, 0), _derivative(light, scale_px, 0, 1)
    yield cv2.magnitude(across, down)
    xx, yy = _derivative(across, scale_px, 1, 0), _derivative(down, scale_px, 0, 1)
    xy = _derivative(across, scale_px, 0, 1)
    mean, half_gap = (xx + yy) / 2, cv2.magnitude((xx - yy) / 2, xy)
    yield mean + half_gap
    yield mean - half_gap
    if scale_px > 1:
        # Around the middle of the range, since the difference of two large squares loses digits.
        above = lightness - MIDDLE_LIGHTNESS
        variance = smoothed(above * above, scale_px) - (light - MIDDLE_LIGHTNESS) ** 2
        yield np.sqrt(np.maximum(variance, 0))


def smoothed(planes: Plane, scale_px: int) -> Plane:
    """Gaussian smoothing of (H, W) or (H, W, 3); a large one on a smaller grid, which is as good
    and faster."""
    height_px, width_px = planes.shape[:2]
    step = max(1, scale_px // 4 * 2) if scale_px < 16 else 4
    if step == 1 or min(height_px, width_px) < 4 * step:
        return cv2.GaussianBlur(planes, (0, 0), scale_px)
    small = cv2.resize(planes, (width_px // step, height_px // step), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), scale_px / step)
    return cv2.resize(small, (width_px, height_px), interpolation=cv2.INTER_LINEAR)


def _derivative(plane: Plane, scale_px: int, x: int, y: int) -> Plane:
    return cv2.Sobel(plane, cv2.CV_32F, x, y, ksize=3, scale=scale_px / 8)


def at_centers(planes: NDArray[np.float32], size_hw: tuple[int, int]) -> NDArray[np.float32]:
    """The values (h, w, F) of planes (H, W, F) at the centers of h x w cells, as they are."""
    if planes.shape[:2] == size_hw:
        return planes
    rows, columns = (
        ((np.arange(cells) + 0.5) * full / cells).astype(np.intp)
        for cells, full in zip(size_hw, planes.shape[:2], strict=True)
    )
    return planes[rows[:, None], columns]
