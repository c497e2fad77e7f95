"""What refiners leave of masks that are given to them."""

import numpy as np
import pytest

from model.refine.kept_masks import MAX_OWNERS, MEASURED, kept_masks
from model.refine.refiners import REFINERS

NONE, UNKNOWN = -1, -2
SIZE_HW = (120, 160)


def scene(owners):
    """A noisy image (H, W, 3) in which each owner has a gray of its own."""
    levels = 60 + 40 * (owners + 1)[..., None].astype(float)
    noise = np.random.default_rng(0).normal(0, 12, (*owners.shape, 3))
    return (levels + noise).clip(0, 255).astype(np.uint8)


def nothing():
    return np.full(SIZE_HW, NONE, np.int16)


def with_block():
    owners = nothing()
    owners[20:100, 30:130] = 0
    return owners


def with_lines():
    owners = nothing()
    owners[10::20, :] = 0
    return owners


def test_all_that_is_measured_can_be_chosen():
    assert set(MEASURED) < set(REFINERS)


@pytest.mark.parametrize("name", MEASURED)
def test_a_large_mask_is_kept(name):
    owners = with_block()
    assert kept_masks(owners, UNKNOWN, scene(owners))[name] > 0.9


def test_lines_are_lost_to_the_crf_and_kept_by_the_finest_refiner():
    owners = with_lines()
    kept = kept_masks(owners, UNKNOWN, scene(owners))
    assert kept["crf"] < 0.6
    assert kept["crf"] <= kept["guided"] < kept["guided_fine"]


def test_what_is_undecided_counts_for_none():
    owners = with_block()
    owners[:, 140:] = UNKNOWN
    image = scene(with_block())
    image[:, 140:] = np.random.default_rng(1).integers(0, 256, (SIZE_HW[0], 20, 3))
    assert kept_masks(owners, UNKNOWN, image)["crf"] > 0.9


def test_a_large_image_is_measured_at_the_size_of_the_owners():
    owners = with_block()
    large = scene(owners).repeat(4, axis=0).repeat(4, axis=1)
    assert kept_masks(owners, UNKNOWN, large) == kept_masks(owners, UNKNOWN, scene(owners))


@pytest.mark.parametrize("owners", [nothing(), np.full(SIZE_HW, UNKNOWN, np.int16)])
def test_without_an_edge_nothing_is_known(owners):
    assert kept_masks(owners, UNKNOWN, scene(owners)) == {}


def test_of_many_owners_the_largest_are_measured():
    """The others count as undecided: a column of 1 px beside 12 large ones costs nothing."""
    owners = np.repeat(np.arange(MAX_OWNERS, dtype=np.int16), 13)[None].repeat(100, axis=0)
    before = kept_masks(owners, UNKNOWN, scene(owners))
    owners[40:60, 70] = MAX_OWNERS
    after = kept_masks(owners, UNKNOWN, scene(owners))
    assert after["guided_fine"] == pytest.approx(before["guided_fine"], abs=0.02)


def test_an_image_of_one_pixel_in_height_is_measured():
    owners = np.repeat(np.array([[0, NONE]], np.int16), 300, axis=1)
    assert set(kept_masks(owners, UNKNOWN, scene(owners))) == set(MEASURED)
