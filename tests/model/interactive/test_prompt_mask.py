"""Clicks and boxes: what was clicked is in, what was clicked away is out."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model import (
    BoxPrompt,
    ExpertWeights,
    Memory,
    MemoryConfig,
    PointPrompt,
    SegmentSettings,
    TaughtMask,
    Vocabulary,
)
from model.features import DenseFeatures
from model.interactive.prompt_mask import prompt_mask

HEIGHT, WIDTH = 80, 120


def scene():
    """A red square on gray: image (80, 120, 3) and features (4, 8, 12)."""
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    image[20:60, 30:70] = (220, 40, 40)
    tokens = torch.zeros(4, 8, 12)
    tokens[0] = 1
    tokens[:, 2:6, 3:7] = torch.tensor([0.2, 1, 0, 0])[:, None, None]
    return tokens, image


UNSURE = torch.full((8, 12), 0.5)


def mask_of(*prompts):
    return prompt_mask(*scene(), prompts, UNSURE)


def iou(mask, truth):
    return (mask & truth).sum() / (mask | truth).sum()


def square():
    truth = np.zeros((HEIGHT, WIDTH), bool)
    truth[20:60, 30:70] = True
    return truth


def test_one_click_finds_the_square():
    mask, score = mask_of(PointPrompt(0.4, 0.5, True))
    assert mask.shape == (HEIGHT, WIDTH)
    assert mask.dtype == bool
    assert iou(mask, square()) > 0.8
    assert 0.5 < score <= 1


def test_a_box_around_what_words_do_not_see_finds_what_is_in_it():
    mask, score = mask_of(BoxPrompt((0.2, 0.2, 0.65, 0.8)))
    assert iou(mask, square()) > 0.8
    assert 0.5 < score <= 1


positions = st.floats(0, 1)
clicks = st.builds(PointPrompt, positions, positions, st.booleans())
boxes = st.tuples(positions, positions, positions, positions).map(
    lambda c: BoxPrompt((min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3])))
)


def pixel(prompt):
    return min(HEIGHT - 1, int(prompt.y * HEIGHT)), min(WIDTH - 1, int(prompt.x * WIDTH))


@given(st.lists(st.one_of(clicks, boxes), min_size=1, max_size=5))
def test_a_clicked_pixel_is_where_the_click_says(prompts):
    mask, score = mask_of(*prompts)
    last_word = {pixel(p): p.is_positive for p in prompts if isinstance(p, PointPrompt)}
    assert all(mask[place] == positive for place, positive in last_word.items())
    assert 0 <= score <= 1


def test_the_segmenter_answers_at_the_size_of_the_image(tiny_segmenter):
    tokens, image = scene()
    tokens, middle = tokens[:1].expand(32, 8, 12) * 1.0, torch.zeros(0, 8, 12)
    features = DenseFeatures(tokens, torch.eye(32)[0], (80, 120), middle)
    words = Vocabulary(Vocabulary.of(["cat"]).classes, auto_negatives=False)
    prompts = [PointPrompt(0.4, 0.5, True), PointPrompt(0.9, 0.9, False)]
    mask, score = tiny_segmenter.answer_prompts(
        features, image, prompts, words, 0, SegmentSettings().resolve()
    )
    assert mask.shape == (80, 120)
    assert mask[40, 48]
    assert not mask[72, 108]
    assert score == pytest.approx(score)


def test_what_lessons_taught_of_pixels_counts_at_a_click_however_many_labels(tiny_segmenter):
    _, image = scene()
    names = ["square", *(f"thing {number}" for number in range(80))]
    words = Vocabulary(Vocabulary.of(names).classes, auto_negatives=False)
    method = SegmentSettings(templates="plain").resolve()
    (features,) = tiny_segmenter.encode([image], method, words)
    taught = [TaughtMask("square", square())]
    lesson = tiny_segmenter.learn(features, image, taught, words, method)
    click = [PointPrompt(0.4, 0.5)]
    seen, unseen = (
        tiny_segmenter.answer_prompts(
            features,
            image,
            click,
            words,
            0,
            method,
            Memory.of([lesson], MemoryConfig(weights=ExpertWeights(0.01, 0, pixels))),
        )
        for pixels in (1, 0)
    )
    assert iou(seen[0], square()) > 0.8
    assert seen[1] > unseen[1] + 0.01  # surer of it
