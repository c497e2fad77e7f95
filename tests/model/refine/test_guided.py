import pytest
import torch
from full_probs import refine
from random_maps import random_image, random_probs
from torch import Tensor

from model.refine.guided import GuidedConfig, box_mean, fit_guided_filter, guided_sampler
from model.refine.tiles import Tile, resize


def halves(height_px: int, width_px: int, edge_px: int) -> Tensor:
    """An image (3, H, W) that is dark red left of the edge and light blue right of it."""
    image = torch.tensor([90.0, 20, 20])[:, None, None].repeat(1, height_px, width_px)
    image[:, :, edge_px:] = torch.tensor([150.0, 180, 230])[:, None, None]
    return image


def test_a_box_mean_is_that_of_the_pixels_inside_the_image() -> None:
    maps = torch.tensor([[[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]])
    wanted = torch.tensor([[[3.0, 3.5, 4], [4.5, 5, 5.5], [6, 6.5, 7]]])
    torch.testing.assert_close(box_mean(maps, 1), wanted)
    torch.testing.assert_close(box_mean(maps, 2), torch.full((1, 3, 3), 5.0))
    torch.testing.assert_close(box_mean(maps, 9), torch.full((1, 3, 3), 5.0))


def test_on_a_constant_image_probs_become_the_mean_of_means() -> None:
    """Without a color to follow the slope is 0: what is left is the two box means."""
    probs = random_probs(3, (9, 12))
    rgb = torch.full((3, 9, 12), 80.0)
    sampler = fit_guided_filter(probs, rgb, rgb, radius_px=2, rgb_std=10)
    assert sampler.slope.abs().max() < 1e-6
    torch.testing.assert_close(sampler.coarse, box_mean(box_mean(probs, 2), 2))


def test_probs_that_are_linear_in_the_color_are_left_as_they_are() -> None:
    rgb = random_image(10, 14)
    first = 0.1 + rgb[0] / 700 + rgb[1] / 900
    probs = torch.stack([first, 1 - first])
    sampler = fit_guided_filter(probs, rgb, rgb, radius_px=2, rgb_std=1e-3)
    assert (sampler.coarse - probs).abs().max() < 1e-3


def test_the_slope_shrinks_as_contrast_falls_below_its_std() -> None:
    """One channel, one window over all: slope = covariance / (variance + std²)."""
    levels = torch.tensor([10.0, 10, 30, 30])
    rgb = torch.stack([levels, torch.zeros(4), torch.zeros(4)])[:, None]
    probs = torch.tensor([[[0.2, 0.2, 0.6, 0.6]], [[0.8, 0.8, 0.4, 0.4]]])
    for rgb_std in (0.1, 10.0, 100.0):
        sampler = fit_guided_filter(probs, rgb, rgb, radius_px=4, rgb_std=rgb_std)
        wanted = (10 * 0.2) / (10**2 + rgb_std**2)
        torch.testing.assert_close(sampler.slope[0, 0], torch.full((1, 4), wanted))
        torch.testing.assert_close(sampler.slope[1, 0], torch.full((1, 4), -wanted))


def test_an_edge_that_probs_miss_by_4_px_is_brought_back() -> None:
    image = halves(60, 96, edge_px=43)
    left = torch.tensor([1, 1, 1, 0.8, 0.1, 0, 0, 0])  # by patch of 12 px
    probs = torch.stack([left, 1 - left])[:, None].expand(2, 5, 8)
    missed = refine("none", probs, image)
    assert (missed[0, :, 43:47] > 0.5).all()
    refined = refine("guided", probs, image, GuidedConfig(radius=0.1))
    assert (refined[0, :, :43] > 0.5).all()
    assert (refined[1, :, 43:] > 0.5).all()


def test_turning_the_image_turns_the_answer() -> None:
    probs, image = random_probs(3, (7, 9)), random_image(28, 36)
    config = GuidedConfig(radius=0.1)
    upright = refine("guided", probs, image, config)
    for turn in (lambda maps: maps.flip(2), lambda maps: maps.transpose(1, 2)):
        torch.testing.assert_close(
            refine("guided", turn(probs), turn(image), config), turn(upright), atol=1e-4, rtol=0
        )


def test_light_added_to_the_image_changes_nothing() -> None:
    probs, image = random_probs(3, (7, 9)), random_image(28, 36) / 2
    torch.testing.assert_close(
        refine("guided", probs, image + 100), refine("guided", probs, image), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("image_hw", [(50, 1), (1, 50), (1, 1), (2, 3), (40, 300)])
def test_images_of_any_shape_give_probs_that_sum_to_one(image_hw: tuple[int, int]) -> None:
    refined = refine("guided", random_probs(4, (3, 3)), random_image(*image_hw))
    assert refined.shape == (4, *image_hw)
    torch.testing.assert_close(refined.sum(dim=0), torch.ones(image_hw))


def test_coefficients_of_a_small_size_are_read_with_the_colors_of_the_full_one() -> None:
    image = halves(60, 96, edge_px=43)
    config = GuidedConfig(working_pixels=15 * 24)
    sampler = guided_sampler(resize(image, (15, 24)).softmax(dim=0), image, config)
    assert sampler.coarse.shape == (3, 15, 24)
    row = sampler(Tile(30, 31, 36, 50), torch.arange(3))[0, 0]
    step = (row[1:] - row[:-1]).abs()
    assert step.argmax() == 43 - 36 - 1  # at the image's edge, not at that of a cell of 4 px


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        refine("guided", torch.full((2, 3, 3), torch.nan), random_image(6, 6))
