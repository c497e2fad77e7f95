"""Findings are what differs from the image's border, on token maps small enough to follow."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from model.scoring.surface import SurfaceConfig, otsu_threshold, set_findings_apart

CONFIG = SurfaceConfig(min_separation=0.6)
SIZE_HW = (16, 20)
CRACK, HOLE, SURFACE = 0, 1, 2  # of three classes; the last, 3, is the empty background


def tokens_of(*parts: tuple[slice, slice], noise: float = 0.05) -> torch.Tensor:
    """Tokens (8, h, w) of a surface, and of other tokens in these parts."""
    noisy = torch.randn(8, *SIZE_HW, generator=torch.Generator().manual_seed(0)) * noise
    tokens = torch.zeros(8, *SIZE_HW)
    tokens[0] = 1
    for rows, columns in parts:
        tokens[:2, rows, columns] = torch.tensor([0.5, 1.0])[:, None, None]
    return F.normalize(tokens + noisy, dim=0)


def probs_of(crack: float, hole: float) -> torch.Tensor:
    """The same probs (4, h, w) everywhere: words see the surface alone."""
    values = torch.tensor([crack, hole, 1 - crack - hole, 0.0])
    return values[:, None, None].expand(4, *SIZE_HW).clone()


INSIDE = slice(5, 10), slice(6, 11)


def test_what_differs_from_the_border_is_the_finding_that_words_prefer():
    apart = set_findings_apart(probs_of(0.02, 0.01), tokens_of(INSIDE), SURFACE, CONFIG)
    expected = torch.full(SIZE_HW, SURFACE)
    expected[INSIDE] = CRACK
    assert torch.equal(apart.argmax(dim=0), expected)
    torch.testing.assert_close(apart.sum(dim=0), torch.ones(SIZE_HW))


def test_the_background_is_the_surface_where_no_label_names_it():
    probs = probs_of(0.02, 0.01)[[CRACK, HOLE, SURFACE]]
    apart = set_findings_apart(probs, tokens_of(INSIDE), 2, CONFIG)
    assert apart.argmax(dim=0).unique().tolist() == [CRACK, 2]


def test_the_patches_of_a_part_have_one_name_and_parts_may_differ():
    other = slice(2, 5), slice(14, 17)
    probs = probs_of(0.02, 0.01)
    probs[:2, 6, 7] = torch.tensor([0.01, 0.02])  # one patch of the first part
    probs[:2, other[0], other[1]] = torch.tensor([0.01, 0.02])[:, None, None]
    names = set_findings_apart(probs, tokens_of(INSIDE, other), SURFACE, CONFIG).argmax(dim=0)
    assert names[INSIDE].unique().tolist() == [CRACK]
    assert names[other].unique().tolist() == [HOLE]


@pytest.mark.parametrize(
    "parts",
    [
        [],  # noise alone
        [(slice(0, 16), slice(0, 14))],  # most of the image
        [(slice(0, 16), slice(0, 7))],  # much of the border: another surface
    ],
    ids=["nothing", "most of it", "a side"],
)
def test_without_a_finding_words_decide(parts):
    probs = probs_of(0.02, 0.01)
    assert set_findings_apart(probs, tokens_of(*parts), SURFACE, CONFIG) is probs


def test_dark_corners_are_no_findings():
    left, right = slice(0, 2), slice(18, 20)
    corners = [(rows, side) for rows in (slice(0, 2), slice(14, 16)) for side in (left, right)]
    apart = set_findings_apart(probs_of(0.02, 0.01), tokens_of(INSIDE, *corners), SURFACE, CONFIG)
    found = apart.argmax(dim=0) != SURFACE
    assert found[INSIDE].all()
    assert found.sum() == found[INSIDE].numel()


def test_without_a_surface_or_asked_for_words_alone_nothing_changes():
    probs, tokens = probs_of(0.02, 0.01), tokens_of(INSIDE)
    assert set_findings_apart(probs, tokens, None, CONFIG) is probs
    assert set_findings_apart(probs, tokens, SURFACE, SurfaceConfig()) is probs


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 9), (2, 2)])
def test_the_smallest_images_are_answered(size_hw):
    probs = torch.full((3, *size_hw), 1 / 3)
    tokens = torch.randn(8, *size_hw, generator=torch.Generator().manual_seed(0))
    assert set_findings_apart(probs, tokens, 2, CONFIG).shape == probs.shape


def test_the_threshold_is_between_two_groups():
    values = np.array([0.1] * 50 + [0.12] * 30 + [0.8] * 10 + [0.9] * 5, np.float32)
    assert 0.12 <= otsu_threshold(values) < 0.8
