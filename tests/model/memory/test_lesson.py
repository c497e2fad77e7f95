"""A lesson's bytes: the same lesson back, of every release, and never one that does not fit."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from model import Lesson, ModelError, TaughtMask
from model.memory.lesson import MAX_KEYS
from model.pixel_features import FEATURES_NAME
from tests.support.toy_lessons import LEFT, merged, taught


@st.composite
def lessons(draw):
    labels = tuple(draw(st.lists(st.text(max_size=8), unique=True, max_size=4)))
    count = draw(st.integers(0, 6))
    is_new = draw(st.booleans())
    numbers = st.integers(-127, 127) if is_new else st.floats(-1, 1, width=16)
    owners = draw(st.lists(st.integers(-1, len(labels) - 1), min_size=count, max_size=count))
    return Lesson(
        draw(st.text(max_size=5)),
        labels,
        torch.tensor(
            draw(st.lists(st.tuples(*[numbers] * 3), min_size=count, max_size=count)),
            dtype=torch.int8 if is_new else torch.float16,
        ).view(-1, 3),
        torch.tensor(owners, dtype=torch.int16),
        torch.rand(count),
        torch.rand(count) > 0.5,
        kept_masks=draw(st.dictionaries(st.text(max_size=5), st.floats(0, 1), max_size=3)),
        middle_channels=draw(st.integers(0, 2)) if is_new else 0,
    )


@given(lessons())
def test_bytes_give_the_same_lesson_back(lesson):
    again = Lesson.from_bytes(lesson.to_bytes())
    assert (again.space, again.labels) == (lesson.space, lesson.labels)
    assert again.kept_masks == lesson.kept_masks
    assert again.middle_channels == lesson.middle_channels
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
        {"middle_channels": 3},
        {"middle_channels": -1},
        {"middle_channels": "2"},
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


def test_a_lesson_stored_without_pixels_is_read_as_it_was():
    stored = (Path(__file__).parents[2] / "fixtures/lesson_format_1.safetensors").read_bytes()
    lesson = Lesson.from_bytes(stored)
    assert lesson.pixels is None
    assert lesson.labels == ("cat",)
    assert lesson.to_bytes() == stored  # the digest, by which versions refer to it, stays
    assert lesson.digest == "cc6256f9f73fb9cf247ffcccdd93c847"


def test_a_lesson_of_the_last_block_alone_is_read_as_it_was():
    stored = (Path(__file__).parents[2] / "fixtures/lesson_format_2.safetensors").read_bytes()
    lesson = Lesson.from_bytes(stored)
    assert (lesson.labels, lesson.joint_channels, lesson.middle_channels) == (("cat",), 3, 0)
    assert lesson.to_bytes() == stored
    assert lesson.digest == "eb7c0109fbcc6ccfab2b0c2008d7bf22"
    assert merged(lesson) == merged(taught(TaughtMask("cat", LEFT)))


def test_pixels_whose_features_are_of_another_release_are_left_aside():
    stored = taught(TaughtMask("cat", LEFT)).to_bytes()
    other = stored.replace(FEATURES_NAME.encode(), b"x" * len(FEATURES_NAME))
    lesson = Lesson.from_bytes(other)
    assert lesson.pixels is None
    assert len(lesson.keys)


def test_another_safetensors_file_is_no_lesson():
    with pytest.raises(ValueError, match="no lesson"):
        Lesson.from_bytes(save({"weight": torch.zeros(3)}))
