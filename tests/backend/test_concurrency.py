"""Slots are given in the order of asking; threads are left for what is cheap."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from backend.concurrency import Concurrency, Turns
from backend.settings import Settings
from tests.support.waiting import wait_until


@pytest.mark.parametrize("threads", [4, 5, 7, 24, 512])
def test_threads_are_left_for_health_and_webhooks(threads):
    limits = Concurrency.of(Settings(threads=threads))
    assert limits.requests - limits.predictions - limits.clicks >= threads // 3
    assert 0 < limits.batches < limits.predictions
    assert limits.clicks >= 2


def test_who_asked_first_has_its_turn_first():
    turns, order = Turns(1), []
    assert turns.acquire(0)

    def take(n: int) -> None:
        assert turns.acquire(20)
        order.append(n)
        turns.release()

    with ThreadPoolExecutor(8) as threads:
        for n in range(8):
            threads.submit(take, n)
            wait_until(partial(lambda length: len(turns._waiting) == length, n + 1))
        turns.release()
    assert order == list(range(8))


def test_what_nobody_waits_for_has_its_turn_after_all_that_are_waited_for():
    turns, order = Turns(1), []
    assert turns.acquire(0, is_later=True)

    def take(n: int) -> None:
        assert turns.acquire(20, is_later=n < 2)
        order.append(n)
        turns.release()

    with ThreadPoolExecutor(4) as threads:
        for n in range(4):
            threads.submit(take, n)
            wait_until(partial(lambda n: len(turns._waiting) == n, n + 1))
        turns.release()
    assert order == [2, 3, 0, 1]
    assert turns.acquire(0)


def test_who_asks_for_many_slots_lets_others_in_between():
    turns, order = Turns(1), []
    assert turns.acquire(0)

    def take(who: str) -> None:
        assert turns.acquire(20, who=who)
        order.append(who)
        turns.release()

    with ThreadPoolExecutor(8) as threads:
        for n, who in enumerate("aaaabbc"):
            threads.submit(take, who)
            wait_until(partial(lambda n: len(turns._waiting) == n, n + 1))
        turns.release()
    assert "".join(order) == "abcabaa"


def test_who_gives_up_is_passed_over():
    turns = Turns(1)
    assert turns.acquire(0)
    assert not turns.acquire(0.01)
    turns.release()
    assert turns.acquire(0)
    turns.release()


def test_no_slot_is_lost_however_many_give_up():
    turns = Turns(2)

    def take() -> None:
        for _ in range(200):
            if turns.acquire(0.0001):
                turns.release()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert turns.acquire(0)
    assert turns.acquire(0)
    assert not turns.acquire(0)
