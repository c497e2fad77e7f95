"""What is drawn of an image, and that it fits together."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.memory.pixel_samples import BACKGROUND, MAX_SAMPLES, draw_samples, max_tokens, owner_map

HEIGHT_PX, WIDTH_PX = 60, 80
PHOTO = np.random.default_rng(0).integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8)
TOKENS = torch.randn(8, 6, 8, generator=torch.Generator().manual_seed(0))


def box(top, bottom, left, right):
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def test_each_label_is_drawn_and_stands_for_its_area():
    samples = draw_samples(PHOTO, TOKENS, [box(0, 30, 0, 80), box(58, 59, 0, 80)], [1.0, 1.0])
    owners, masses = samples.sample_owners, samples.sample_masses
    areas = {owner: float(masses[owners == owner].sum()) for owner in (0, 1, BACKGROUND)}
    assert areas == pytest.approx({0: 30 / 60, 1: 1 / 60, BACKGROUND: 29 / 60}, abs=1e-4)
    assert (owners == 1).sum() == 80  # all pixels of a thin thing
    assert samples.token_masses.sum() == pytest.approx(1, abs=1e-4)


def test_a_label_that_is_believed_less_weighs_less():
    samples = draw_samples(PHOTO, TOKENS, [box(0, 30, 0, 80)], [0.3])
    is_label = samples.sample_owners == 0
    assert samples.sample_masses[is_label].sum() == pytest.approx(0.15, abs=1e-4)
    assert samples.sample_masses[~is_label].sum() == pytest.approx(0.5, abs=1e-4)


def test_the_smallest_of_overlapping_masks_has_the_pixel():
    owners = owner_map([box(0, 10, 0, 10), box(0, 60, 0, 80)], (HEIGHT_PX, WIDTH_PX))
    assert (owners[:10, :10] == 0).all()
    assert (owners == 0).sum() == 100


def test_the_same_image_gives_the_same_samples():
    first, second = (draw_samples(PHOTO, TOKENS, [box(0, 9, 0, 9)], [1.0]) for _ in range(2))
    for name, tensor in first.tensors().items():
        assert torch.equal(tensor, second.tensors()[name])


def test_tokens_point_where_the_patches_at_the_pixels_do():
    tokens = torch.zeros(8, 6, 8)
    tokens[0, :, :4], tokens[1, :, 4:] = 1, 1
    samples = draw_samples(PHOTO, tokens, [box(0, 60, 0, 30)], [1.0])
    units = samples.unit_tokens()
    inside = units[samples.sample_owners[: len(units)] == 0]
    assert (inside[:, 0] > 0.99).all()
    torch.testing.assert_close(units.norm(dim=1), torch.ones(len(units)))


@settings(deadline=None)
@given(
    n_labels=st.integers(0, 300),
    height_px=st.integers(1, 40),
    width_px=st.integers(1, 40),
    channels=st.sampled_from([8, 384, 1024]),
)
def test_whatever_is_drawn_fits_together_and_is_bounded(n_labels, height_px, width_px, channels):
    generator = np.random.default_rng(n_labels)
    owners = generator.integers(0, n_labels + 1, (height_px, width_px))
    image = generator.integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)
    masks = [owners == label for label in range(n_labels)]
    samples = draw_samples(image, torch.rand(channels, 3, 4) + 0.1, masks, [1.0] * n_labels)
    samples.check(n_labels)
    assert 1 <= len(samples.features) <= MAX_SAMPLES
    assert 1 <= len(samples.tokens) <= max_tokens(channels)


@pytest.mark.parametrize(
    "change",
    [
        {"features": torch.zeros(3, 2, dtype=torch.float16)},
        {"sample_owners": torch.full((1,), 7, dtype=torch.int16)},
        {"sample_masses": torch.tensor([float("nan")])},
        {"token_masses": torch.tensor([-1.0])},
        {"tokens": torch.zeros(5, 8, dtype=torch.int8)},
    ],
)
def test_parts_that_do_not_fit_are_refused(change):
    one = draw_samples(PHOTO[:1, :1], TOKENS, [], [])
    one.check(0)
    with pytest.raises(ValueError, match=r"is torch|samples|finite|negative|owner"):
        replace(one, **change).check(0)


def test_of_undecided_pixels_only_those_under_a_mask_are_drawn():
    whole, left = box(0, 60, 0, 80), box(0, 60, 0, 40)
    samples = draw_samples(PHOTO, TOKENS, [box(0, 30, 0, 20)], [1.0], undecided=left)
    owners, masses = samples.sample_owners, samples.sample_masses
    assert float(masses[owners == 0].sum()) == pytest.approx(1 / 8, abs=1e-4)
    assert float(masses[owners == BACKGROUND].sum()) == pytest.approx(1 / 2, abs=1e-4)
    nothing = draw_samples(PHOTO, TOKENS, [], [], undecided=whole)
    nothing.check(0)
    assert len(nothing.sample_owners) == 0
