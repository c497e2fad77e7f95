"""What tells the pixels at positive clicks from those at negative ones, by their appearance.

Fisher's linear discriminant (1936) with the covariance of the whole image, since clicks are few:
the direction in which both kinds of clicks are far apart compared with how the image varies.
Shapes: H, W pixels, y, x working pixels, F features.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.pixel_features import at_centers, pixel_features, working_image

RIDGE = 30.0  # added to the covariance of standardized features: a few clicked pixels are noisy


def appearance_planes(image: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.float32]:
    """Standardized features (y, x, F) of an RGB image (H, W, 3) at its working pixels."""
    planes = at_centers(pixel_features(working_image(image)), size_hw)
    spread = planes.std(axis=(0, 1)) + 1e-6
    standardized: NDArray[np.float32] = (planes - planes.mean(axis=(0, 1))) / spread
    return standardized


def discriminant(
    planes: NDArray[np.float32],
    positive: Sequence[NDArray[np.bool_]],
    negative: Sequence[NDArray[np.bool_]],
) -> NDArray[np.float32]:
    """How much each pixel (y, x) looks like positive clicks: 1 like these, -1 like negative ones.

    Of planes (y, x, F); `positive` and `negative` are the pixels (y, x) of each click, at least one
    of each kind.
    """
    features = planes.reshape(-1, planes.shape[2])
    covariance = features.T @ features / len(features) + RIDGE * np.eye(planes.shape[2])
    mean_positive, mean_negative = (
        np.mean([planes[disc].mean(axis=0) for disc in discs], axis=0)
        for discs in (positive, negative)
    )
    difference = mean_positive - mean_negative
    direction = np.linalg.solve(covariance, difference)
    half_distance = max(float(difference @ direction) / 2, 1e-9)
    score = (planes - (mean_positive + mean_negative) / 2) @ direction / half_distance
    clipped: NDArray[np.float32] = score.clip(-1, 1).astype(np.float32)
    return clipped
