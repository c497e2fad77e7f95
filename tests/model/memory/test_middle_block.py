"""What the tower's middle block adds to lessons, and lessons of releases that did not keep it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from model import Memory, TaughtMask
from model.memory.lessons import make_lesson

IMAGE = np.zeros((40, 60, 3), np.uint8)
LEFT = np.arange(60) < 30 + np.zeros((40, 1))


def both_blocks(seed):
    """Tokens (4 + 4, 4, 6): noise of the last block, and a middle block that knows the halves."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(4, 4, 6, generator=generator)
    middle = torch.zeros(4, 4, 6)
    middle[0, :, :3], middle[1, :, 3:] = 1, 1
    return torch.cat([F.normalize(noise, dim=0), middle])


def lesson_of_both(seed):
    return make_lesson(
        "here", both_blocks(seed), IMAGE, [TaughtMask("dent", LEFT)], middle_channels=4
    )


def left_and_right(memory):
    """Mean prob of "dent" on the two halves of an image that nobody corrected."""
    blend = memory.blend({"dent": 0, "": 1}, 2, torch.full((2, len(memory.points.owners)), 0.5))
    probs = blend.at_patches(torch.full((2, 4, 6), 0.5), both_blocks(99))[0]
    return float(probs[:, :3].mean()), float(probs[:, 3:].mean())


def test_the_middle_block_tells_apart_what_the_last_one_cannot():
    lessons = [lesson_of_both(seed) for seed in range(4)]
    left, right = left_and_right(Memory.of(lessons))
    assert left > 0.9 > 0.1 > right
    left, right = left_and_right(Memory.of([one.without_middle() for one in lessons]))
    assert abs(left - right) < 0.3


def test_beside_lessons_without_it_the_middle_block_does_not_count(caplog):
    caplog.set_level("INFO")
    lessons = [lesson_of_both(seed) for seed in range(4)]
    former = [lessons[0].without_middle(), *lessons[1:]]
    mixed, without = Memory.of(former), Memory.of([one.without_middle() for one in lessons])
    assert mixed.patches.n_channels == 4
    torch.testing.assert_close(mixed.points.tokens.sum(0), without.points.tokens.sum(0))
    assert left_and_right(mixed) == pytest.approx(left_and_right(without), abs=0.05)
    assert "1 of 4 lessons" in caplog.text
