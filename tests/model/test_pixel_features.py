"""Appearance features: what they tell apart, and the size at which they are computed."""

import numpy as np
import pytest

from model.pixel_features import (
    N_FEATURES,
    SCALES_PX,
    WORKING_PIXELS,
    pixel_features,
    smoothed,
    working_image,
)


@pytest.mark.parametrize("size_hw", [(1, 1), (3, 200), (7, 5), (64, 64)])
def test_every_image_has_finite_features(size_hw):
    image = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    features = pixel_features(image)
    assert features.shape == (*size_hw, N_FEATURES)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_a_plain_image_has_colors_and_neither_edges_nor_texture():
    features = pixel_features(np.full((40, 50, 3), 200, np.uint8))
    colors = features[0, 0, :3]
    assert colors[0] == pytest.approx(80.6, abs=0.5)  # CIELAB lightness of that grey
    assert np.ptp(features.reshape(-1, N_FEATURES), axis=0).max() < 0.01
    others = [i for i in range(6, N_FEATURES) if abs(features[0, 0, i] - colors[0]) > 0.01]
    assert len(others) == N_FEATURES - 6 - 4  # but for the lightness of the other four scales
    assert np.abs(features[0, 0, others]).max() < 0.1


def test_a_dark_line_and_a_bright_one_have_hessians_of_other_signs():
    image = np.full((60, 60, 3), 128, np.uint8)
    image[20], image[40] = 0, 255
    features = pixel_features(image)
    dark, bright = features[20, 30], features[40, 30]
    larger_eigenvalue = 3 + 3 + 1 + 1  # after the colors, smoothed colors, difference, gradient
    assert dark[larger_eigenvalue] > 1
    assert bright[larger_eigenvalue + 1] < -1


@pytest.mark.parametrize("scale_px", SCALES_PX)
def test_smoothing_on_a_smaller_grid_is_smoothing(scale_px):
    impulse = np.zeros((200, 200), np.float32)
    impulse[100, 100] = 1
    found = smoothed(impulse, scale_px)
    assert found.sum() == pytest.approx(1, abs=0.02)
    rows = np.arange(200)
    profile = found.sum(axis=1)
    mean = (profile * rows).sum() / profile.sum()
    spread = ((profile * (rows - mean) ** 2).sum() / profile.sum()) ** 0.5
    assert spread == pytest.approx(scale_px, rel=0.2)


def test_large_images_are_shrunk_and_small_ones_left():
    small, large = (np.zeros((*size, 3), np.uint8) for size in ((300, 400), (3000, 4000)))
    assert working_image(small) is small
    height_px, width_px = working_image(large).shape[:2]
    assert height_px * width_px == pytest.approx(WORKING_PIXELS, rel=0.01)
    assert width_px / height_px == pytest.approx(4 / 3, rel=0.01)
