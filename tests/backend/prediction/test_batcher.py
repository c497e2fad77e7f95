"""Concurrent requests share batches, and never each other's answers or failures."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from backend.errors import Overloaded
from backend.prediction.batcher import FIRST, LATER, Batcher
from model import METHODS, MethodConfig, Vocabulary
from tests.support.waiting import wait_until

PLAIN, CLIP = METHODS["firstpass"], METHODS["clip"]
WORDS = Vocabulary.of(["cat"])


def picture(number: int) -> np.ndarray:
    return np.full((1, 1, 3), number, dtype=np.uint8)


class Encoder:
    """Answers each image's number; holds its batches until told to go on."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.batches: list[tuple[list[int], MethodConfig]] = []
        self.is_busy, self.may_go = threading.Event(), threading.Event()
        if is_open:
            self.may_go.set()

    def __call__(self, images, method, vocabularies) -> Any:
        assert [*vocabularies] == [WORDS] * len(images)
        self.is_busy.set()
        assert self.may_go.wait(20)
        numbers = [int(image[0, 0, 0]) for image in images]
        self.batches.append((numbers, method))
        if 13 in numbers:
            raise ValueError(f"cannot encode {numbers}")
        return numbers


@pytest.fixture
def held():
    """A batcher of up to 4 images, busy with image 0 until `encoder.may_go` is set."""
    encoder = Encoder(is_open=False)
    batcher = Batcher(encoder, max_images=4, max_waiting=5)
    with ThreadPoolExecutor(16) as threads:
        first: Any = threads.submit(batcher, picture(0), PLAIN, WORDS)
        assert encoder.is_busy.wait(20)
        yield encoder, batcher, threads
        encoder.may_go.set()
        assert first.result(20) == 0
        batcher.close()


def wait_in_line(batcher: Batcher, length: int) -> None:
    wait_until(lambda: batcher.waiting() == length)


def test_waiting_images_become_one_batch_and_each_gets_its_own_answer(held):
    encoder, batcher, threads = held
    answers = [threads.submit(batcher, picture(n), PLAIN, WORDS) for n in (1, 2, 3)]
    wait_in_line(batcher, 3)
    encoder.may_go.set()
    assert [answer.result(20) for answer in answers] == [1, 2, 3]
    assert sorted(encoder.batches[1][0]) == [1, 2, 3]


def test_a_batch_holds_no_more_than_its_limit(held):
    encoder, batcher, threads = held
    answers = [threads.submit(batcher, picture(n), PLAIN, WORDS) for n in (1, 2, 3, 4, 5)]
    wait_in_line(batcher, 5)
    encoder.may_go.set()
    assert [answer.result(20) for answer in answers] == [1, 2, 3, 4, 5]
    assert max(len(numbers) for numbers, _ in encoder.batches) == 4


def test_images_of_other_methods_are_never_in_the_same_batch(held):
    encoder, batcher, threads = held
    answers = [
        threads.submit(batcher, picture(n), CLIP if n % 2 else PLAIN, WORDS) for n in (1, 2, 3, 4)
    ]
    wait_in_line(batcher, 4)
    encoder.may_go.set()
    assert [answer.result(20) for answer in answers] == [1, 2, 3, 4]
    for numbers, method in encoder.batches:
        assert all((n % 2 == 1) == (method == CLIP) for n in numbers)


def test_one_bad_image_fails_alone(held):
    encoder, batcher, threads = held
    answers = [threads.submit(batcher, picture(n), PLAIN, WORDS) for n in (1, 13, 2)]
    wait_in_line(batcher, 3)
    encoder.may_go.set()
    assert answers[0].result(20) == 1
    assert answers[2].result(20) == 2
    with pytest.raises(ValueError, match=r"cannot encode \[13\]"):
        answers[1].result(20)


def test_a_full_line_refuses_at_once(held):
    _, batcher, threads = held
    for n in range(1, 6):
        threads.submit(batcher, picture(n), PLAIN, WORDS)
    wait_in_line(batcher, 5)
    with pytest.raises(Overloaded, match="5 images are waiting"):
        batcher(picture(9), PLAIN, WORDS)


def test_the_image_of_a_click_goes_before_all_that_wait(held):
    encoder, batcher, threads = held
    for n in range(1, 6):
        threads.submit(batcher, picture(n), PLAIN, WORDS)
    wait_in_line(batcher, 5)
    clicked = threads.submit(batcher, picture(9), PLAIN, WORDS, rank=FIRST)
    wait_in_line(batcher, 6)  # for which the line is never too long
    encoder.may_go.set()
    assert clicked.result(20) == 9
    wait_until(lambda: len(encoder.batches) >= 2)
    assert 9 in encoder.batches[1][0]


def test_projects_take_turns_however_many_images_of_one_wait(held):
    encoder, batcher, threads = held
    for n, project in enumerate("aaaabc", 1):
        threads.submit(batcher, picture(n), PLAIN, WORDS, who=project, rank=FIRST)
        wait_in_line(batcher, n)
    encoder.may_go.set()
    wait_until(lambda: sum(len(numbers) for numbers, _ in encoder.batches) >= 7)
    assert [n for numbers, _ in encoder.batches for n in numbers][1:] == [1, 5, 6, 2, 3, 4]


def test_an_image_that_nobody_waits_for_goes_after_all_others(held):
    encoder, batcher, threads = held
    threads.submit(batcher, picture(9), PLAIN, WORDS, rank=LATER)
    wait_in_line(batcher, 1)
    for n in range(1, 5):
        threads.submit(batcher, picture(n), PLAIN, WORDS)
    wait_in_line(batcher, 5)
    encoder.may_go.set()
    wait_until(lambda: sum(len(numbers) for numbers, _ in encoder.batches) >= 6)
    assert encoder.batches[-1][0][-1] == 9


def test_an_image_whose_time_is_over_is_not_encoded(held):
    encoder, batcher, _ = held
    with pytest.raises(Overloaded, match="did not reach this image"):
        batcher(picture(7), PLAIN, WORDS, timeout_s=0.01)
    encoder.may_go.set()
    assert batcher(picture(8), PLAIN, WORDS) == 8
    assert 7 not in [n for numbers, _ in encoder.batches for n in numbers]


def test_the_size_of_each_batch_is_told():
    sizes: list[int] = []
    batcher = Batcher(Encoder(), max_images=4, on_batch=sizes.append)
    batcher(picture(1), PLAIN, WORDS)
    batcher.close()
    assert sizes == [1]


def test_a_failure_outside_the_model_fails_its_images_and_no_later_ones():
    """As of the counters when there is no memory: the thread that all images go through lives."""

    errors = [MemoryError()]

    def fail_once(_images: int) -> None:
        if errors:
            raise errors.pop()

    batcher = Batcher(Encoder(), on_batch=fail_once)
    with pytest.raises(MemoryError):
        batcher(picture(1), PLAIN, WORDS, timeout_s=60)
    later: Any = batcher(picture(2), PLAIN, WORDS, timeout_s=60)
    assert later == 2
    batcher.close()
