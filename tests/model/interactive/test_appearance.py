"""What tells pixels at positive clicks from those at negative ones."""

import numpy as np
import pytest

from model import PointPrompt
from model.interactive.appearance import appearance_planes, discriminant
from model.interactive.prompt_mask import InteractiveConfig, appearance_logit

SIZE_HW = (60, 90)
ON_RUST, ON_STEEL = PointPrompt(0.2, 0.5), PointPrompt(0.8, 0.5, is_positive=False)


def rust_on_steel():
    """The left half is brown and rough, the right half gray and smooth; equally bright."""
    rng = np.random.default_rng(0)
    image = np.full((*SIZE_HW, 3), (120, 120, 120), float)
    image[:, :45] = (150, 110, 90)
    image[:, :45] += rng.normal(0, 4, (60, 45, 1))
    return image.clip(0, 255).astype(np.uint8)


def test_pixels_are_told_apart_by_what_the_clicks_look_like():
    logit = appearance_logit(rust_on_steel(), SIZE_HW, [ON_RUST, ON_STEEL], InteractiveConfig())
    assert logit.shape == SIZE_HW
    assert logit[:, :40].mean() > 0.3
    assert logit[:, 50:].mean() < -0.3
    assert abs(logit).max() <= InteractiveConfig().appearance_weight


@pytest.mark.parametrize("clicks", [[ON_RUST], [ON_STEEL], []])
def test_clicks_of_one_kind_say_nothing_of_appearance(clicks):
    assert not appearance_logit(rust_on_steel(), SIZE_HW, clicks, InteractiveConfig()).any()


def test_the_middle_of_both_clicks_is_neutral_and_swapping_them_changes_the_sign():
    planes = np.random.default_rng(1).normal(size=(4, 5, 3)).astype(np.float32)
    first, second = np.zeros((2, 4, 5), bool)
    first[0, 0] = second[3, 4] = True
    score = discriminant(planes, [first], [second])
    np.testing.assert_allclose(score, -discriminant(planes, [second], [first]), atol=1e-5)
    assert score[0, 0] == pytest.approx(1)
    assert score[3, 4] == pytest.approx(-1)


@pytest.mark.parametrize("image_hw", [(1, 1), (1, 400), (3, 2)])
def test_the_smallest_images_have_finite_features(image_hw):
    image = np.full((*image_hw, 3), 7, np.uint8)  # nothing varies
    planes = appearance_planes(image, image_hw)
    assert np.isfinite(planes).all()
    disc = np.ones(image_hw, bool)
    assert np.isfinite(discriminant(planes, [disc], [disc])).all()
