"""Windows cover every image, and batches of them change nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.encoder.window_batches import MAX_ATTENTION_ENTRIES, batched_windows, windows_at_once
from model.encoder.windows import TokenCanvas, WindowConfig, cut, plan_windows, resize_image

CONFIG = WindowConfig()
SIDES = st.integers(1, 8000)


@given(SIDES, SIDES, st.sampled_from([14, 16, 32]), st.sampled_from([0, 224, 336]))
def test_windows_cover_the_whole_grid_with_whole_patches(height, width, patch_px, window_px):
    config = replace(CONFIG, window_px=window_px)
    plan = plan_windows((height, width), config, patch_px)
    covered = np.zeros(plan.grid_hw, dtype=int)
    for y, x in plan.corners_yx:
        assert y % patch_px == x % patch_px == 0
        rows, columns = (side // patch_px for side in plan.window_hw)
        covered[y // patch_px : y // patch_px + rows, x // patch_px : x // patch_px + columns] += 1
    assert covered.min() >= 1
    assert max(plan.resized_hw) <= config.max_long_side_px + patch_px
    assert windows_at_once(plan, 12) >= 1


@pytest.mark.parametrize(
    ("image_hw", "resized_hw", "n_windows"),
    [
        ((480, 640), (336, 448), 6),  # the literature's protocol
        ((64, 64), (336, 336), 4),  # enlarged
        ((8000, 8000), (336, 336), 4),
        ((64, 8000), (64, 2048), 18),  # narrow: at least four patches high
    ],
)
def test_plans_of_known_images(image_hw, resized_hw, n_windows):
    plan = plan_windows(image_hw, replace(CONFIG, window_px=224, stride_px=112), 16)
    assert plan.resized_hw == resized_hw
    assert len(plan.corners_yx) == n_windows


def test_tokens_laid_back_give_the_image_they_were_cut_from():
    plan = plan_windows((100, 260), replace(CONFIG, short_side_px=96, window_px=64), 16)
    tokens = torch.randn(3, *plan.grid_hw)
    pixels = tokens.repeat_interleave(16, dim=1).repeat_interleave(16, dim=2)
    canvas = TokenCanvas(3, plan)
    for index, window in enumerate(cut(pixels, plan)):
        canvas.add(index, window[:, ::16, ::16])
    torch.testing.assert_close(canvas.mean(), tokens)


def test_resizing_to_the_same_size_changes_nothing_and_shrinking_averages():
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    image[:, ::2] = 200
    assert torch.equal(resize_image(image, (4, 4)), torch.from_numpy(image).permute(2, 0, 1))
    assert resize_image(image, (1, 1)).tolist() == [[[100]], [[100]], [[100]]]


def images_and_plans(config):
    images = [
        np.zeros(shape, dtype=np.uint8) for shape in [(90, 200, 3), (300, 300, 3), (64, 64, 3)]
    ]
    return images, [plan_windows(image.shape[:2], config, 16) for image in images]


@pytest.mark.parametrize("stitch", [False, True])
def test_each_window_of_each_image_is_in_one_batch_once(stitch):
    images, plans = images_and_plans(CONFIG)
    batches = list(batched_windows(images, plans, n_heads=4, stitch=stitch))
    places = [place for batch in batches for place in batch.places]
    assert sorted(places) == [
        (image, window)
        for image, plan in enumerate(plans)
        for window in range(len(plan.corners_yx))
    ]
    for batch in batches:
        assert len(batch.pixels) == len(batch.places)
        assert bool(batch.groups) == stitch


def test_windows_that_share_keys_stay_together_in_one_image():
    images, plans = images_and_plans(CONFIG)
    for batch in batched_windows(images, plans, n_heads=4, stitch=True):
        covered = []
        for group in batch.groups:
            members = batch.places[group.windows]
            assert len({image for image, _ in members}) == 1
            assert len(members) == len(group.corners_yx)
            covered.extend(members)
        assert tuple(covered) == batch.places


def test_large_windows_make_small_batches():
    plan = plan_windows((1000, 1000), replace(CONFIG, short_side_px=560, window_px=0), 14)
    assert windows_at_once(plan, 6) * plan.window_tokens**2 * 6 <= MAX_ATTENTION_ENTRIES


def test_an_image_taken_whole_is_cut_where_it_would_not_fit_in_memory():
    narrow = plan_windows((500, 8000), replace(CONFIG, short_side_px=512, window_px=0), 16)
    assert max(narrow.window_hw) == 1024
    assert len(narrow.corners_yx) == 3


def test_a_stride_beyond_the_window_leaves_no_gap():
    plan = plan_windows((400, 400), replace(CONFIG, window_px=64, stride_px=500), 16)
    assert plan.corners_yx[1] == (0, 64)
