"""Lessons of whole images: what only pixels tell apart, and wrong annotations among right ones."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from model import ExpertWeights, Memory, MemoryConfig, TaughtMask
from model.memory.joined_samples import join_points
from model.memory.lessons import make_lesson

CLASS_OF = {"crack": 0, "wall": 1, "": 2}
SIZE_HW = (64, 96)
NAMES = ("crack", "wall")
JUDGED = MemoryConfig()
WORDS = torch.full((3, 4, 6), 1 / 3)


def wall_with_crack(seed):
    """A grey noisy wall with a dark line of 2 px, far thinner than its patches of 16 px."""
    rng = np.random.default_rng(seed)
    image = rng.normal(150, 8, (*SIZE_HW, 3))
    crack = np.zeros(SIZE_HW, bool)
    row = int(rng.integers(8, 54))
    crack[row : row + 2, 10:90] = True
    image[crack] -= 60
    return image.clip(0, 255).astype(np.uint8), crack


def tokens(seed):
    """Patches that know nothing."""
    return torch.randn(16, 4, 6, generator=torch.Generator().manual_seed(seed))


def lesson(seed, *, swapped=False, **options):
    image, crack = wall_with_crack(seed)
    masks = (~crack, crack) if swapped else (crack, ~crack)
    taught = [TaughtMask(name, mask, **options) for name, mask in zip(NAMES, masks, strict=True)]
    return make_lesson("here", tokens(seed), image, taught)


def found_crack(lessons, config=JUDGED):
    """Intersection over union of the crack of an image that nobody corrected."""
    memory = Memory.of(lessons, config)
    blend = memory.blend(CLASS_OF, 3, torch.full((3, len(memory.points.owners)), 1 / 3))
    image, crack = wall_with_crack(99)
    probs = blend.at_patches(WORDS, tokens(99))
    label_map = blend.at_pixels(probs, torch.arange(3), image).argmax(dim=0).numpy()
    return ((label_map == 0) & crack).sum() / ((label_map == 0) | crack).sum()


HONEST = [lesson(seed) for seed in range(6)]


def test_a_line_thinner_than_a_patch_is_found_by_its_pixels():
    assert found_crack(HONEST) > 0.8
    without = MemoryConfig(weights=ExpertWeights(words=1, patches=1, pixels=0))
    assert found_crack(HONEST, without) < 0.2


def test_one_lesson_is_enough_to_look_at_pixels():
    assert found_crack(HONEST[:1]) > 0.4


@pytest.mark.parametrize("n_honest", [5, 6])
def test_a_wrong_lesson_costs_little(n_honest):
    honest = HONEST[:n_honest]
    assert found_crack([*honest, lesson(7, swapped=True)]) > 0.9 * found_crack(honest)


def test_lessons_without_pixels_teach_beside_those_with():
    """What a former release stored has keys alone."""
    old = [
        type(one)(one.space, one.labels, one.keys, one.owners, one.masses, one.was_wrong)
        for one in HONEST[:3]
    ]
    assert found_crack([*old, *HONEST[3:]]) > 0.8
    mixed = Memory.of([*old, *HONEST[3:]])
    points = join_points(
        sorted([*old, *HONEST[3:]], key=lambda one: one.digest), mixed.labels, torch.ones(6)
    )
    assert torch.equal(mixed.points.masses, points.masses)  # each is believed in full
    memory = Memory.of(old)
    assert not memory.blend(CLASS_OF, 3, None).sees_pixels


def test_the_weights_for_a_vocabulary_are_fitted_once_and_depend_on_the_words():
    memory = Memory.of(HONEST)
    owners = memory.points.owners
    right = torch.tensor([CLASS_OF[label] for label in (*memory.labels, "")])[owners]
    knowing = torch.full((3, len(owners)), 0.05)
    knowing[right, torch.arange(len(owners))] = 0.9
    blends = [memory.blend(CLASS_OF, 3, words) for words in (knowing, knowing, knowing.flip(1))]
    assert blends[0].weights is blends[1].weights
    assert blends[0].weights.words > blends[2].weights.words


def test_probs_at_pixels_sum_to_one_and_untaught_classes_keep_theirs():
    memory = Memory.of([lesson(seed) for seed in range(3)])
    blend = memory.blend({"crack": 0, "": 2}, 3, None)  # "wall" is called "paint" now
    image, _ = wall_with_crack(98)
    probs = torch.tensor([0.2, 0.5, 0.3]).view(3, 1, 1).expand(3, 4, 6)
    seen = blend.at_pixels(probs, torch.arange(3), image)
    torch.testing.assert_close(seen.sum(dim=0), torch.ones(SIZE_HW))
    torch.testing.assert_close(seen[1], torch.full(SIZE_HW, 0.5))


def test_a_large_image_is_seen_at_a_working_size():
    memory = Memory.of(HONEST[:2])
    blend = memory.blend(CLASS_OF, 3, None)
    image = np.zeros((1500, 2000, 3), np.uint8)
    seen = blend.at_pixels(WORDS, torch.arange(3), image)
    assert seen[0].numel() == pytest.approx(640 * 640, rel=0.01)


@pytest.mark.parametrize("size_hw", [(64, 96), (1, 3000), (3000, 1)])
def test_fewer_pixels_are_some_of_all_as_they_are(size_hw):
    memory = Memory.of(HONEST[:2])
    blend = memory.blend(CLASS_OF, 3, None)
    image = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    words = torch.full((3, 1, 1), 1 / 3)  # the same everywhere, so that no resizing differs
    every, few = (blend.at_pixels(words, torch.arange(3), image, n) for n in (10**6, 500))
    assert every.shape[1:] == size_hw
    assert 100 < few[0].numel() <= 600
    pixels = {tuple(row) for row in every.flatten(1).T.round(decimals=4).tolist()}
    assert all(tuple(row) in pixels for row in few.flatten(1).T.round(decimals=4).tolist())


def test_the_log_says_what_the_lessons_are_worth(caplog):
    memory = Memory.of(HONEST)
    words = torch.full((3, len(memory.points.owners)), 1 / 3)
    with caplog.at_level("INFO"):
        for _ in range(2):
            memory.blend(CLASS_OF, 3, words)
    (line,) = [record.getMessage() for record in caplog.records]
    found = re.fullmatch(
        r"6 lessons of crack, wall: they weigh words \d.\d+, patches \d.\d+, pixels \d.\d+; of "
        r"what each lesson held out, (\d+)% would be right with the others, (\d+)% by words alone",
        line,
    )
    right, by_words = map(int, found.groups())
    assert right > 95
    assert by_words < 70


def test_a_memory_keeps_what_its_lessons_keep_on_the_mean_of_those_that_know():
    thin, thick, unknown = (
        replace(one, kept_masks=kept)
        for one, kept in zip(HONEST, ({"crf": 0.5}, {"crf": 0.9}, {}), strict=False)
    )
    assert Memory.of([thin, thick, unknown]).kept_masks == pytest.approx({"crf": 0.7}, abs=0.01)
    assert Memory.of([unknown]).kept_masks == {}
    assert Memory.of([thin, thick]).blend(CLASS_OF, 3, None).kept_masks["crf"] > 0.6
