"""What an annotation teaches, as keys: their labels, their masses, and their bytes."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from model import Lesson, ModelError, TaughtMask
from model.memory.lesson import MAX_KEYS
from model.memory.lessons import BACKGROUND, make_lesson
from model.pixel_features import FEATURES_NAME
from model.refine.kept_masks import MEASURED


def scene():
    """Features (3, 4, 6) of an image of 40 x 60 pixels: x left, y right, z in the last row."""
    tokens = torch.zeros(3, 4, 6)
    tokens[0, :, :3], tokens[1, :, 3:] = 1, 1
    tokens[:, 3] = torch.tensor([0, 0, 1.0])[:, None]
    return tokens


def mask(rows=slice(0, 0), columns=slice(0, 60)):
    made = np.zeros((40, 60), dtype=bool)
    made[rows, columns] = True
    return made


def noise(height_px, width_px):
    return np.random.default_rng(0).integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)


PHOTO = noise(40, 60)
LEFT, RIGHT = mask(slice(0, 30), slice(0, 30)), mask(slice(0, 30), slice(30, 60))


def taught(*masks):
    return make_lesson("here", scene(), PHOTO, masks)


def merged(lesson):
    """Mass by label, direction and rightness, since equal patches may give several keys."""
    sums = {}
    for name, key, mass, wrong in said_each(lesson):
        sums[name, key, wrong] = sums.get((name, key, wrong), 0) + mass
    return {what: pytest.approx(mass, abs=1e-4) for what, mass in sums.items()}


def said_each(lesson):
    names = [*lesson.labels, ""]
    columns = (lesson.owners, lesson.keys, lesson.masses, lesson.was_wrong)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [(names[owner], tuple(key), mass, wrong) for owner, key, mass, wrong in rows]


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
def test_a_lesson_stays_small_whatever_is_taught(n_labels):
    generator = np.random.default_rng(0)
    tokens = torch.from_numpy(generator.standard_normal((384, 24, 32))).float()
    owner = np.kron(generator.integers(0, n_labels, (24, 32)), np.ones((10, 10), int))
    masks = [TaughtMask(f"label {index}", owner == index) for index in range(n_labels)]
    lesson = make_lesson("here", tokens, noise(240, 320), masks)
    assert len(lesson.keys) <= MAX_KEYS
    assert len(lesson.to_bytes()) < 150_000


@st.composite
def lessons(draw):
    labels = tuple(draw(st.lists(st.text(max_size=8), unique=True, max_size=4)))
    count = draw(st.integers(0, 6))
    numbers = st.floats(-1, 1, width=16)
    owners = draw(st.lists(st.integers(-1, len(labels) - 1), min_size=count, max_size=count))
    return Lesson(
        draw(st.text(max_size=5)),
        labels,
        torch.tensor(
            draw(st.lists(st.tuples(*[numbers] * 3), min_size=count, max_size=count)),
            dtype=torch.float16,
        ).view(-1, 3),
        torch.tensor(owners, dtype=torch.int16),
        torch.rand(count),
        torch.rand(count) > 0.5,
        kept_masks=draw(st.dictionaries(st.text(max_size=5), st.floats(0, 1), max_size=3)),
    )


@given(lessons())
def test_bytes_give_the_same_lesson_back(lesson):
    again = Lesson.from_bytes(lesson.to_bytes())
    assert (again.space, again.labels) == (lesson.space, lesson.labels)
    assert again.kept_masks == lesson.kept_masks
    for name in ("keys", "owners", "masses", "was_wrong"):
        assert torch.equal(getattr(again, name), getattr(lesson, name))
    assert again.digest == lesson.digest
    assert again.to_bytes() == lesson.to_bytes()


@given(st.binary(max_size=300))
def test_other_bytes_are_refused(data):
    with pytest.raises(ValueError, match="bytes are no lesson"):
        Lesson.from_bytes(data)


@given(st.data())
def test_damaged_lessons_are_refused_or_sound(data):
    whole = taught(TaughtMask("cat", LEFT)).to_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ModelError):  # and no other error
        Lesson.from_bytes(bytes(damaged)).check()


@pytest.mark.parametrize("length", [0, 7, 8, 100, -1])
def test_cut_bytes_are_refused(length):
    with pytest.raises(ValueError, match="no lesson"):
        Lesson.from_bytes(taught().to_bytes()[:length])


@pytest.mark.parametrize(
    "change",
    [
        {"keys": torch.full((5, 3), float("nan"), dtype=torch.float16)},
        {"keys": torch.zeros(MAX_KEYS + 1, 3, dtype=torch.float16)},
        {"owners": torch.tensor([3], dtype=torch.int16)},
        {"owners": torch.tensor([-2], dtype=torch.int16)},
        {"masses": torch.tensor([-1.0])},
        {"masses": torch.tensor([1.0], dtype=torch.float64)},
        {"was_wrong": torch.zeros(2, dtype=torch.bool)},
        {"kept_masks": {"crf": 1.5}},
        {"kept_masks": {"crf": float("nan")}},
        {"kept_masks": {"crf": "much"}},
        {"kept_masks": ["crf"]},
    ],
)
def test_parts_that_do_not_fit_are_refused(change):
    one = Lesson(
        "here",
        ("cat",),
        torch.ones(1, 3, dtype=torch.float16),
        torch.tensor([0], dtype=torch.int16),
        torch.tensor([1.0]),
        torch.tensor([False]),
    )
    assert Lesson.from_bytes(one.to_bytes()).labels == ("cat",)
    with pytest.raises(ValueError, match="no lesson"):
        Lesson.from_bytes(replace(one, **change).to_bytes())


def test_a_lesson_says_what_refiners_leave_of_its_masks():
    lesson = taught(TaughtMask("cat", LEFT), TaughtMask("dog", RIGHT))
    assert set(lesson.kept_masks) == set(MEASURED)
    assert taught().kept_masks == {}  # all background: without an edge nothing is known
    coarse = taught(TaughtMask("cat", LEFT, weight=0.3), TaughtMask("dog", RIGHT, weight=0.3))
    assert coarse.kept_masks == {}  # the edges of rectangles are not the image's


def test_a_lesson_stored_without_pixels_is_read_as_it_was():
    stored = (Path(__file__).parents[2] / "fixtures/lesson_format_1.safetensors").read_bytes()
    lesson = Lesson.from_bytes(stored)
    assert lesson.pixels is None
    assert lesson.labels == ("cat",)
    assert lesson.to_bytes() == stored  # the digest, by which versions refer to it, stays
    assert lesson.digest == "cc6256f9f73fb9cf247ffcccdd93c847"


def test_pixels_whose_features_are_of_another_release_are_left_aside():
    stored = taught(TaughtMask("cat", LEFT)).to_bytes()
    other = stored.replace(FEATURES_NAME.encode(), b"x" * len(FEATURES_NAME))
    lesson = Lesson.from_bytes(other)
    assert lesson.pixels is None
    assert len(lesson.keys)


def test_another_safetensors_file_is_no_lesson():
    with pytest.raises(ValueError, match="no lesson"):
        Lesson.from_bytes(save({"weight": torch.zeros(3)}))


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
