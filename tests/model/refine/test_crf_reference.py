"""The dense CRF beside its authors' code (pydensecrf2, if installed), with equal parameters.

Theirs sums over a permutohedral lattice, ours over all pairs (test_crf.py holds ours to 1e-4 of
brute force). That is all that tells them apart; benchmarks/crf_ceiling.py has more photos.
"""

from collections.abc import Callable
from functools import cache

import pytest
import skimage.data
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.crf_peers import pydensecrf
from benchmarks.lattice import lattice_filter, lattice_mean_field, simplex
from model.refine.crf import CrfConfig, mean_field
from model.refine.tiles import resize

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
SIZE_HW = (72, 108)
MEAN_SIDE_PX = (SIZE_HW[0] * SIZE_HW[1]) ** 0.5
CONFIG = CrfConfig(
    iterations=5,
    appearance_weight=4,
    appearance_xy_std=20 / MEAN_SIDE_PX,
    appearance_rgb_std=13,
    smoothness_weight=3,
    smoothness_xy_std=1 / MEAN_SIDE_PX,
)
Labeller = Callable[[str], Tensor]  # a photo's name -> its labels (h, w)


@cache
def scene(photo: str) -> tuple[Tensor, Tensor]:
    """Log-probs (K, h, w) and colors (3, h, w), whole levels."""
    image = torch.from_numpy(getattr(skimage.data, photo)()).permute(2, 0, 1)
    rgb = resize(image, SIZE_HW).round()
    return blocky_probs_of_brightness(rgb).clamp_min(1e-6).log(), rgb


@cache
def ours(photo: str) -> Tensor:
    unary, rgb = scene(photo)
    return mean_field(unary, rgb, CONFIG).probs.argmax(dim=0)


@cache
def theirs(photo: str) -> Tensor:
    pytest.importorskip("pydensecrf.densecrf", reason="pip install pydensecrf2")
    unary, rgb = scene(photo)
    image = rgb.permute(1, 2, 0).to(torch.uint8).numpy()
    return pydensecrf(unary, image, CONFIG).argmax(dim=0)


def with_their_lattice(photo: str) -> Tensor:
    return lattice_mean_field(*scene(photo), CONFIG).argmax(dim=0)


def with_their_lattice_moved(photo: str) -> Tensor:
    moved_by = torch.Generator().manual_seed(1)
    return lattice_mean_field(*scene(photo), CONFIG, moved_by).argmax(dim=0)


def agreement(one: Labeller, other: Labeller) -> tuple[float, float]:
    """Share of equal labels among all pixels of the photos, and among those `other` changes."""
    same = torch.stack([one(photo) == other(photo) for photo in PHOTOS])
    changed = torch.stack([other(photo) != scene(photo)[0].argmax(dim=0) for photo in PHOTOS])
    assert changed.float().mean() > 0.03
    return float(same.float().mean()), float(same[changed].float().mean())


def blocky_probs_of_brightness(image: Tensor) -> Tensor:
    """Four classes (4, h, w) by brightness, known for patches of 6 x 6 pixels only."""
    gray = F.avg_pool2d(image.mean(dim=0)[None], 7, 1, 3, count_include_pad=False)[0]
    cuts = torch.tensor([0.25, 0.5, 0.75])
    classes = torch.bucketize(gray, gray.flatten().quantile(cuts))
    shares = F.avg_pool2d(F.one_hot(classes, 4).permute(2, 0, 1).float(), 6)
    return (5 * F.interpolate(shares[None], size=SIZE_HW, mode="bilinear")[0]).softmax(dim=0)


def test_labels_are_those_of_the_authors_code_but_for_its_lattice() -> None:
    of_all, of_changed = agreement(ours, theirs)
    assert of_all >= 0.99
    assert of_changed >= 0.96


def test_with_its_lattice_every_label_is_that_of_the_authors_code() -> None:
    of_all, of_changed = agreement(with_their_lattice, theirs)
    assert of_all > 0.9999
    assert of_changed > 0.999


def test_the_authors_code_agrees_no_better_with_itself_once_its_lattice_is_moved() -> None:
    """By an origin that exact sums do not know of; so no exact CRF can be asked for more."""
    itself = agreement(with_their_lattice_moved, theirs)
    assert itself[0] < 0.995
    assert itself[1] < 0.97
    exact = agreement(ours, theirs)
    assert exact[0] > itself[0] - 0.002
    assert exact[1] > itself[1] - 0.01


@pytest.mark.parametrize("n_dims", [1, 2, 5])
def test_a_point_lies_where_its_corners_weigh_it(n_dims: int) -> None:
    features = 9 * torch.rand(200, n_dims, generator=torch.Generator().manual_seed(2))
    corners, weights = simplex(features.double())
    assert weights.min() >= -1e-12
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(200, dtype=torch.float64))
    assert (corners.sum(dim=2) == 0).all()
    # The map to the plane is linear, and keeps lengths but for one factor.
    place = (weights[..., None] * corners).sum(dim=1)
    factor = (2 / 3) ** 0.5 * (n_dims + 1)
    torch.testing.assert_close(distances(place), factor * distances(features.double()))


def distances(points: Tensor) -> Tensor:
    return (points[:, None] - points).square().sum(dim=2).sqrt()


def test_the_lattice_sums_what_a_gaussian_weighs() -> None:
    """Where points are dense; the kernel's height is free, since a CRF normalizes it."""
    place = torch.linspace(0, 12, 600)[:, None]
    signal = torch.sin(place)
    sums = lattice_filter(place)
    got = (sums(signal) / sums(torch.ones_like(signal)))[150:450]
    kernel = torch.exp(-0.5 * (place - place.T).square())
    wanted = (kernel @ signal / kernel.sum(dim=1, keepdim=True))[150:450]
    assert (got - wanted).abs().max() < 0.06
