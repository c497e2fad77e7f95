"""The predictor of many lessons: independent of their order, without a trace of deleted ones."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from model import (
    METHODS,
    ExpertWeights,
    Memory,
    MemoryConfig,
    SegmentSettings,
    TaughtMask,
    Vocabulary,
)
from model.features import DenseFeatures
from model.memory.lessons import make_lesson

PLAIN = SegmentSettings(refiner="none").resolve()
WORDS = Vocabulary(Vocabulary.of(["scratch", "dent"]).classes, auto_negatives=False)


def unit(*numbers):
    return torch.nn.functional.normalize(torch.tensor(numbers, dtype=torch.float32), dim=0)


def features_of(left, right, image_hw=(40, 60)):
    """Channels (32,) given by two numbers: left and right half of a grid of 4 x 6."""
    tokens = torch.zeros(32, 4, 6)
    tokens[:2, :, :3] = unit(*left)[:, None, None]
    tokens[:2, :, 3:] = unit(*right)[:, None, None]
    return DenseFeatures(tokens, torch.eye(32)[0], image_hw, torch.zeros(0, 4, 6))


def half(left=True):
    mask = np.zeros((40, 60), dtype=bool)
    mask[:, :30] = left
    mask[:, 30:] = not left
    return mask


IMAGE = np.zeros((40, 60, 3), np.uint8)


def with_logits(**changes):
    """firstpass, of a logit scale that shows small differences, without a refiner."""
    decision = METHODS["firstpass"].decision
    logits = replace(decision.logits, logit_scale=100.0, **changes)
    return replace(METHODS["firstpass"], decision=replace(decision, logits=logits, refiner="none"))


def lesson_of(segmenter, features, *masks):
    return segmenter.learn(features, IMAGE, masks, WORDS, PLAIN)


def patch_probs(segmenter, features, words, method, memory):
    blend = segmenter.blend(words, method, memory)
    return segmenter.patch_probs(features, IMAGE, words, method, blend)


@pytest.fixture
def three(tiny_segmenter):
    return [
        lesson_of(tiny_segmenter, features_of((1, noise), (-noise, 1)), TaughtMask(label, half()))
        for label, noise in (("dent", 0.0), ("dent", 0.2), ("scratch", 0.4))
    ]


def test_no_lessons_are_no_memory_and_change_nothing(tiny_segmenter):
    features = features_of((1, 0), (0, 1))
    assert Memory.of([]) is None
    without = tiny_segmenter.segment(features, IMAGE, WORDS, PLAIN)
    with_empty = tiny_segmenter.segment(features, IMAGE, WORDS, PLAIN, Memory.of([]))
    assert np.array_equal(without.label_map, with_empty.label_map)
    assert np.array_equal(without.scores, with_empty.scores)


def test_what_was_taught_is_seen_again_and_the_rest_left_alone(tiny_segmenter, three):
    memory = Memory.of(three[:2])
    found = tiny_segmenter.segment(features_of((1, 0.1), (0, 1)), IMAGE, WORDS, PLAIN, memory)
    assert (found.label_map[:, :25] == 1).all()
    assert (found.label_map[:, 35:] == -1).all()
    assert 0.5 < found.scores[1] <= 1


def test_a_taught_label_is_not_cut_by_its_range_and_an_untaught_one_is(tiny_segmenter, three):
    def probs(range_cut, lessons):
        method, memory = with_logits(range_cut=range_cut), Memory.of(lessons)
        return patch_probs(tiny_segmenter, gradient, words, method, memory)

    words = replace(WORDS, background=("wall",))  # which is never cut
    across = torch.linspace(0, 1, 6).expand(4, 6)
    gradient = features_of((1, 0.3), (0.2, 1))
    gradient.patch_tokens[2:4] = torch.stack([across, 1 - across])
    assert not torch.equal(probs(0.0, []), probs(0.9, []))  # text alone: both labels are cut
    assert torch.equal(probs(0.0, three), probs(0.9, three))  # both labels are taught
    assert not torch.equal(probs(0.0, three[:2]), probs(0.9, three[:2]))  # "scratch" is not


def test_an_absent_label_is_suppressed_though_it_was_taught(tiny_segmenter, three):
    def probs(absence_penalty):
        method = with_logits(absence_penalty=absence_penalty)
        memory = Memory.of(three, MemoryConfig(weights=ExpertWeights()))  # words count
        return patch_probs(tiny_segmenter, features, words, method, memory)

    words = replace(WORDS, background=("wall",))
    features = features_of((1, 0.3), (0.2, 1))
    assert not torch.equal(probs(0.0), probs(2.0))


def test_the_order_of_lessons_changes_nothing(tiny_segmenter, three):
    features = features_of((1, 0.3), (0.2, 1))
    memories = [Memory.of(order) for order in permutations(three)]
    assert len({memory.version for memory in memories}) == 1
    probs = [patch_probs(tiny_segmenter, features, WORDS, PLAIN, m) for m in memories]
    assert all(torch.equal(each, probs[0]) for each in probs)


def test_a_deleted_lesson_leaves_no_trace(tiny_segmenter, three):
    assert Memory.of(three).version != Memory.of(three[:2]).version
    assert Memory.of(three[:2]).counts == {"dent": 2}
    assert Memory.of(three).counts == {"dent": 2, "scratch": 1}
    again = [type(one).from_bytes(one.to_bytes()) for one in three[:2]]
    assert Memory.of(again).version == Memory.of(three[:2]).version


def test_lessons_of_another_space_are_not_used(tiny_segmenter, three):
    assert three[0].space == tiny_segmenter.space(PLAIN)
    assert tiny_segmenter.space(PLAIN) == tiny_segmenter.space(
        SegmentSettings(refiner="crf").resolve()
    )
    assert tiny_segmenter.space(PLAIN) != tiny_segmenter.space(METHODS["naclip"])
    elsewhere = Memory.of([replace(one, space="elsewhere") for one in three])
    features = features_of((1, 0), (0, 1))
    without = tiny_segmenter.patch_probs(features, IMAGE, WORDS, PLAIN)
    with_it = patch_probs(tiny_segmenter, features, WORDS, PLAIN, elsewhere)
    assert torch.equal(without, with_it)
    mixed = Memory.of([*three, replace(three[0], space="elsewhere")])
    assert mixed.version == Memory.of(three).version


def test_labels_that_the_vocabulary_lost_are_ignored(tiny_segmenter, three):
    only_dent = Vocabulary(Vocabulary.of(["dent"]).classes, auto_negatives=False)
    found = tiny_segmenter.segment(
        features_of((1, 0), (0, 1)), IMAGE, only_dent, PLAIN, Memory.of(three)
    )
    assert found.class_names == ("dent",)


def test_memory_is_bounded(tiny_segmenter):
    generator = torch.Generator().manual_seed(0)
    lessons = [
        make_lesson(
            "here", torch.randn(32, 4, 6, generator=generator), IMAGE, [TaughtMask("a", half())]
        )
        for _ in range(20)
    ]
    memory = Memory.of(lessons, MemoryConfig(max_keys=50))
    keys = memory.patches.keys
    assert len(keys.vectors) == 50
    assert set(keys.lessons.tolist()) == set(range(20))  # each lesson keeps its largest keys
    assert {(o, w) for o, w in zip(keys.lessons.tolist(), keys.owners.tolist(), strict=True)} == {
        (lesson, owner) for lesson in range(20) for owner in (0, 1)
    }
    assert memory.counts == {"a": 20}


def probs_of(memory, tokens, words, names=("dent", "scratch")):
    class_of = {name: index for index, name in enumerate(names)} | {"": len(names)}
    return memory.blend(class_of, len(words), None).at_patches(words, tokens.patch_tokens)


def test_blended_probs_sum_to_one(three):
    words = torch.rand(3, 4, 6).softmax(dim=0)
    probs = probs_of(Memory.of(three), features_of((1, 0), (0, 1)), words)
    torch.testing.assert_close(probs.sum(dim=0), torch.ones(4, 6))
    assert (probs > 0).all()


def test_untaught_labels_keep_their_text_probs_where_no_key_is_near(three):
    words = torch.tensor([0.1, 0.7, 0.2]).view(3, 1, 1).expand(3, 4, 6)
    names = ("dent", "rust")  # the memory knows dent and scratch
    tokens = torch.zeros(32, 4, 6)
    tokens[9] = 1  # like nothing that was taught
    unfamiliar = DenseFeatures(tokens, torch.eye(32)[0], (40, 60), torch.zeros(0, 4, 6))
    probs = probs_of(Memory.of(three[:2]), unfamiliar, words, names)
    assert probs[1].min() > 0.6
    familiar = probs_of(Memory.of(three[:2]), features_of((1, 0), (0, 1)), words, names)
    assert familiar[1].max() < probs[1].min()


def test_text_decides_between_labels_of_equal_keys(three):
    tokens = features_of((1, 0), (1, 0))
    memory = Memory.of([three[0], replace(three[0], labels=("scratch",))])
    for winner in (0, 1):
        words = torch.full((3, 4, 6), 0.05)
        words[winner] = 0.9
        assert (probs_of(memory, tokens, words).argmax(dim=0) == winner).all()


def test_a_wrong_lesson_among_honest_ones_is_outvoted(tiny_segmenter):
    generator = torch.Generator().manual_seed(1)

    def lesson(is_wrong=False):
        noise = 0.2 * torch.randn(2, generator=generator)
        features = features_of((1, float(noise[0])), (float(noise[1]), 1))
        return lesson_of(tiny_segmenter, features, TaughtMask("dent", half(left=not is_wrong)))

    honest = [lesson() for _ in range(6)]
    words = torch.full((3, 4, 6), 1 / 3)
    tokens = features_of((1, 0), (0, 1))
    before = probs_of(Memory.of(honest), tokens, words)
    after = probs_of(Memory.of([*honest, lesson(is_wrong=True)]), tokens, words)
    assert torch.equal(before.argmax(dim=0), after.argmax(dim=0))
    assert (before - after).abs().max() < 0.1
