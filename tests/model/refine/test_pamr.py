import pytest
import torch
from full_probs import refine
from random_maps import random_image, random_probs
from torch import Tensor

from model.refine.pamr import PamrConfig, diffuse, neighbor_weights, neighbors, pamr_sampler

NEAR = PamrConfig(dilations=(1,))


def halves(height: int, width: int, edge: int) -> Tensor:
    """Colors (3, h, w), dark left of the edge and light right of it."""
    rgb = torch.full((3, height, width), 40.0)
    rgb[:, :, edge:] = 200
    return rgb


def test_neighbors_are_the_eight_around_and_the_border_is_repeated() -> None:
    maps = torch.arange(9.0).view(1, 3, 3)
    around = torch.stack(list(neighbors(maps, (1,))))
    assert around[:, 0, 1, 1].tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
    assert around[:, 0, 0, 0].tolist() == [0, 0, 1, 0, 1, 3, 3, 4]
    assert len(list(neighbors(maps, (1, 2, 24)))) == 24


def test_on_a_constant_image_a_step_is_the_mean_of_the_neighbors() -> None:
    probs, rgb = random_probs(3, (6, 7)), torch.full((3, 6, 7), 90.0)
    weights = neighbor_weights(rgb, NEAR)
    torch.testing.assert_close(weights, torch.full((8, 6, 7), 1 / 8))
    mean = torch.stack(list(neighbors(probs, (1,)))).mean(dim=0)
    torch.testing.assert_close(diffuse(probs, rgb, PamrConfig(iterations=1, dilations=(1,))), mean)


def test_constant_probs_stay_as_they_are() -> None:
    probs = torch.tensor([0.2, 0.5, 0.3])[:, None, None].expand(3, 9, 12)
    torch.testing.assert_close(diffuse(probs, random_image(9, 12), PamrConfig()), probs)


def test_weights_are_those_of_the_paper_at_an_edge() -> None:
    """Beside the edge of `halves` three of nine pixels are light: the spread is their std."""
    weights = neighbor_weights(halves(5, 6, edge=3), NEAR)[:, 2, 2]
    spread = torch.tensor([40.0] * 6 + [200.0] * 3).std()
    over_the_edge = torch.exp(-160 / (0.1 * spread))
    wanted = torch.tensor([1, 1, over_the_edge, 1, over_the_edge, 1, 1, over_the_edge])
    torch.testing.assert_close(weights, wanted / wanted.sum())


def test_probs_fill_a_region_and_do_not_cross_its_edge() -> None:
    """They end as the mean over the region, where a pixel counts as often as it is a neighbor."""
    rgb = halves(8, 12, edge=5)
    probs = torch.zeros(2, 8, 12)
    probs[0, :, :3] = probs[1, :, 3:] = 1  # two columns short of the edge
    diffused = diffuse(probs, rgb, PamrConfig(iterations=400, dilations=(1,)))
    # Eight times in columns 0 to 3, five times in column 4, whose other neighbors are light.
    assert (diffused[0, :, :5] - 3 * 8 / (4 * 8 + 5)).abs().max() < 1e-3
    assert diffused[0, :, 5:].max() < 1e-6


def test_brighter_light_changes_nothing() -> None:
    """Contrast is measured against the local spread: neither offset nor gain counts."""
    probs, rgb = random_probs(3, (9, 12)), random_image(9, 12)
    wanted = diffuse(probs, rgb, NEAR)
    torch.testing.assert_close(diffuse(probs, 0.3 * rgb + 50, NEAR), wanted, atol=1e-4, rtol=0)


def test_turning_the_image_turns_the_answer() -> None:
    probs, rgb = random_probs(3, (9, 12)), random_image(9, 12)
    upright = diffuse(probs, rgb, PamrConfig(dilations=(1, 3)))
    for turn in (lambda maps: maps.flip(2), lambda maps: maps.transpose(1, 2)):
        turned = diffuse(turn(probs), turn(rgb), PamrConfig(dilations=(1, 3)))
        torch.testing.assert_close(turned, turn(upright), atol=1e-5, rtol=0)


@pytest.mark.parametrize("image_hw", [(50, 1), (1, 50), (1, 1), (2, 3), (40, 300)])
def test_images_of_any_shape_give_probs_that_sum_to_one(image_hw: tuple[int, int]) -> None:
    refined = refine("pamr", random_probs(4, (3, 3)), random_image(*image_hw))
    assert refined.shape == (4, *image_hw)
    torch.testing.assert_close(refined.sum(dim=0), torch.ones(image_hw))


def test_the_working_size_bounds_what_is_diffused() -> None:
    probs, image = random_probs(2, (3, 3)), random_image(40, 60)
    sampler = pamr_sampler(probs, image, PamrConfig(working_pixels=20 * 30))
    assert sampler.coarse.shape == (2, 20, 30)


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        refine("pamr", torch.full((2, 3, 3), torch.nan), random_image(6, 6))
