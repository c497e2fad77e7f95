import pytest
import torch
import torch.nn.functional as F
from full_probs import refine
from torch import Tensor

from model.errors import ModelError
from model.refine.crf import CrfConfig
from model.refine.guided import GuidedConfig
from model.refine.refiners import REFINERS, refine_to_labels

EVERY = pytest.mark.parametrize("name", list(REFINERS))
EDGE_AWARE = pytest.mark.parametrize("name", ["guided", "crf"])


def random_probs(classes: int, grid_hw: tuple[int, int] = (6, 8), seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(classes, *grid_hw, generator=generator)).softmax(dim=0)


def noise(height: int, width: int, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    levels = torch.randint(0, 256, (channels, height, width), generator=generator)
    return levels.to(torch.uint8).expand(3, -1, -1)


ODD_IMAGES = {
    "noisy": noise(60, 80),
    "gray": noise(60, 80, channels=1),
    "constant": torch.full((3, 60, 80), 127, dtype=torch.uint8),
    "black": torch.zeros(3, 60, 80, dtype=torch.uint8),
    "1 px wide": noise(90, 1),
    "1 px high": noise(1, 90),
    "one pixel": noise(1, 1),
    "smaller than the patch grid": noise(3, 4),
    "8000 px long": noise(40, 8000),
    "float levels": noise(60, 80).float(),
}


@EVERY
@pytest.mark.parametrize("kind", list(ODD_IMAGES))
def test_odd_images_give_probs_of_their_size_that_sum_to_one(name: str, kind: str) -> None:
    image = ODD_IMAGES[kind]
    probs = refine(name, random_probs(3), image)
    assert probs.shape == (3, *image.shape[1:])
    assert probs.min() >= 0
    torch.testing.assert_close(probs.sum(dim=0), torch.ones(image.shape[1:]), atol=1e-4, rtol=0)


@EVERY
def test_one_class_takes_all(name: str) -> None:
    labels, best_prob = refine_to_labels(name, torch.ones(1, 6, 8), noise(60, 80))
    assert (labels == 0).all()
    torch.testing.assert_close(best_prob, torch.ones(60, 80))


@EVERY
def test_probs_that_are_equal_stay_equal(name: str) -> None:
    probs = refine(name, torch.full((4, 6, 8), 0.25), noise(60, 80))
    assert (probs - 0.25).abs().max() < 1e-3


@EVERY
def test_a_constant_image_keeps_what_the_probs_say(name: str) -> None:
    probs = torch.full((2, 6, 8), 0.1)
    probs[0, :, :4] = probs[1, :, 4:] = 0.9
    labels, _ = refine_to_labels(name, probs, ODD_IMAGES["constant"])
    assert (labels[:, :30] == 0).all()
    assert (labels[:, 50:] == 1).all()


@EVERY
def test_labels_are_the_best_of_the_probs(name: str) -> None:
    image = noise(300, 280)  # four tiles
    probs = refine(name, random_probs(5), image)
    labels, best_prob = refine_to_labels(name, random_probs(5), image)
    assert torch.equal(labels.long(), probs.argmax(dim=0))
    assert torch.equal(best_prob, probs.amax(dim=0))


@EVERY
def test_a_class_that_is_nowhere_changes_nothing(name: str) -> None:
    probs = random_probs(3)
    more = torch.cat([probs[:1], torch.zeros(1, 6, 8), probs[1:]])
    labels, _ = refine_to_labels(name, probs, noise(60, 80))
    more_labels, _ = refine_to_labels(name, more, noise(60, 80))
    assert torch.equal(torch.tensor([0, 2, 3])[labels.long()], more_labels.long())


@EVERY
def test_150_classes_are_refined_like_few(name: str) -> None:
    labels, _ = refine_to_labels(name, random_probs(150), noise(24, 32))
    assert len(labels.unique()) > 20


@EDGE_AWARE
def test_edges_of_the_image_decide_where_classes_meet(name: str) -> None:
    """A disc whose blocky probs miss its edge by up to a patch."""
    y, x = torch.meshgrid(torch.arange(240.0), torch.arange(320.0), indexing="ij")
    disc = (y - 115).square() + (x - 167).square() < 70**2
    image = torch.where(disc, torch.tensor([[[180.0]], [[60]], [[50]]]), 110) + 4 * torch.randn(
        3, 240, 320, generator=torch.Generator().manual_seed(1)
    )
    share = F.adaptive_avg_pool2d(disc.float()[None], (15, 20))
    probs = (4 * torch.cat([1 - share, share])).softmax(dim=0)
    coarse, _ = refine_to_labels("none", probs, image)
    refined, _ = refine_to_labels(name, probs, image)
    assert (refined == disc).float().mean() > 0.998
    assert (refined == disc).float().mean() > (coarse == disc).float().mean()


@EDGE_AWARE
def test_a_line_3_px_wide_survives_at_1024_px(name: str) -> None:
    image = torch.full((3, 768, 1024), 170, dtype=torch.uint8)
    line = torch.zeros(768, 1024, dtype=torch.bool)
    for row in range(96, 672):
        left = 300 + row // 3
        line[row, left : left + 3] = True
    image[:, line] = 40
    near = F.adaptive_max_pool2d(line.float()[None], (24, 32)) > 0  # the patches it passes
    probs = torch.where(near, 0.8, 0.05)
    labels, _ = refine_to_labels(name, torch.cat([1 - probs, probs]), image)
    found = labels == 1
    assert (found & line).sum() > 0.9 * line.sum()
    assert (found & ~line).sum() < 4 * line.sum()  # patches are 32 px wide: 10 times the line


@EVERY
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p, i: (p.index_fill(0, torch.tensor(0), torch.nan), i), "probs hold NaN.*softmax"),
        (lambda p, i: (p - 1, i), "negative numbers"),
        (lambda p, i: (p, i.float().index_fill(1, torch.tensor(0), torch.nan)), "image holds NaN"),
        (lambda p, i: (p[0], i), r"probs must be \(K, h, w\).*got \(6, 8\)"),
        (lambda p, i: (p[:0], i), r"got \(0, 6, 8\)"),
        (lambda p, i: (p, i.permute(1, 2, 0)), r"RGB \(3, H, W\); got \(60, 80, 3\)"),
    ],
)
def test_input_that_cannot_be_refined_is_refused(name: str, spoil, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        refine(name, *spoil(random_probs(3), noise(60, 80)))


def test_an_unknown_refiner_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match="none, guided, guided_fine, pamr, crf"):
        refine("densecrf", random_probs(3), noise(60, 80))


def test_the_config_of_another_refiner_is_refused() -> None:
    with pytest.raises(ValueError, match="is a CrfConfig; got a GuidedConfig"):
        refine("crf", random_probs(3), noise(60, 80), GuidedConfig())


def test_a_config_given_is_the_one_used() -> None:
    probs, image = random_probs(3), noise(60, 80)
    idle = CrfConfig(appearance_weight=0, smoothness_weight=0)
    unchanged = refine("crf", probs, image, idle)
    wanted = F.interpolate(probs[None], size=(60, 80), mode="bilinear", antialias=True)[0]
    assert (unchanged - wanted).abs().max() < 1e-3
