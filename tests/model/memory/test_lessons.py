"""What an annotation teaches, as keys: their labels and their masses."""

import numpy as np
import pytest
import torch

from model import Lesson, TaughtMask
from model.memory.lesson import MAX_KEYS
from model.memory.lessons import BACKGROUND, make_lesson
from model.refine.kept_masks import MEASURED
from tests.support.toy_lessons import (
    LEFT,
    PHOTO,
    RIGHT,
    mask,
    merged,
    noise,
    said_each,
    scene,
    taught,
)

X, Y, Z = (1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0)


def test_each_label_gets_its_patches_and_the_rest_is_background():
    assert merged(taught(TaughtMask("cat", LEFT), TaughtMask("dog", RIGHT))) == {
        ("cat", X, False): 9 / 24,
        ("dog", Y, False): 9 / 24,
        ("", Z, False): 6 / 24,
    }


def test_weak_evidence_weighs_less_but_is_not_evidence_of_nothing():
    assert merged(taught(TaughtMask("cat", LEFT, weight=0.5))) == {
        ("cat", X, False): 4.5 / 24,
        ("", Y, False): 9 / 24,
        ("", Z, False): 6 / 24,
    }


def test_false_and_missed_pixels_of_our_prediction_are_kept_apart():
    said = merged(taught(TaughtMask("cat", LEFT, RIGHT)))
    assert said == {
        ("cat", X, True): 9 / 24,  # missed
        ("", Y, True): 9 / 24,  # wrongly called cat
        ("", Z, False): 6 / 24,
    }


def test_a_removed_mask_teaches_background_there():
    lesson = taught(TaughtMask("cat", mask(), LEFT))
    assert lesson.labels == ()
    assert merged(lesson)["", X, True] == 9 / 24


def test_an_empty_annotation_is_all_background():
    lesson = taught()
    assert lesson.labels == ()
    assert (lesson.owners == BACKGROUND).all()
    assert float(lesson.masses.sum()) == pytest.approx(1)


def test_a_thing_smaller_than_a_patch_is_taught_by_the_patch_that_shows_it():
    dot = mask(slice(12, 15), slice(12, 16))
    lesson = taught(TaughtMask("dot", dot))
    ((_, key, mass, _),) = [row for row in said_each(lesson) if row[0] == "dot"]
    assert key == X
    assert 0 < mass < 0.2 / 24


def test_masks_of_another_size_are_refused_with_both_sizes():
    with pytest.raises(ValueError, match="'cat' is 4 x 4 pixels, the image 40 x 60"):
        taught(TaughtMask("cat", np.ones((4, 4), bool)))


@pytest.mark.parametrize("n_labels", [1, 7, 200])
@pytest.mark.parametrize(
    ("joint", "middle", "most_bytes"),
    [(384, 384, 150_000), (512, 768, 155_000), (768, 1024, 200_000)],
    ids=["starter", "ViT-B-16", "ViT-L-14"],
)
def test_a_lesson_stays_small_whatever_is_taught(n_labels, joint, middle, most_bytes):
    generator = np.random.default_rng(0)
    tokens = torch.from_numpy(generator.standard_normal((joint + middle, 24, 32))).float()
    owner = np.kron(generator.integers(0, n_labels, (24, 32)), np.ones((10, 10), int))
    masks = [TaughtMask(f"label {index}", owner == index) for index in range(n_labels)]
    lesson = make_lesson("here", tokens, noise(240, 320), masks, middle_channels=middle)
    assert len(lesson.keys) <= MAX_KEYS
    assert lesson.joint_channels == joint
    assert len(lesson.to_bytes()) < most_bytes


def test_a_lesson_says_what_refiners_leave_of_its_masks():
    lesson = taught(TaughtMask("cat", LEFT), TaughtMask("dog", RIGHT))
    assert set(lesson.kept_masks) == set(MEASURED)
    assert taught().kept_masks == {}  # all background: without an edge nothing is known
    coarse = taught(TaughtMask("cat", LEFT, weight=0.3), TaughtMask("dog", RIGHT, weight=0.3))
    assert coarse.kept_masks == {}  # the edges of rectangles are not the image's


def test_a_mask_without_weight_teaches_neither_its_label_nor_the_background():
    taught = [TaughtMask("a", LEFT, LEFT), TaughtMask("b", RIGHT, RIGHT, weight=0.0)]
    lesson = make_lesson("space", scene(), PHOTO, taught)
    assert lesson.labels == ("a",)
    assert lesson.keys[lesson.owners == BACKGROUND, 1].max() == 0  # nothing of the right side
    all_unknown = make_lesson(
        "space", scene(), PHOTO, [TaughtMask("a", mask(slice(0, 40)), None, 0)]
    )
    assert (all_unknown.labels, len(all_unknown.keys)) == ((), 0)
    assert Lesson.from_bytes(all_unknown.to_bytes()).digest == all_unknown.digest
