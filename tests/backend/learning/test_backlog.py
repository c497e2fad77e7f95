"""A batch of events takes what room the queue has to spare, and drops nobody's correction."""

import pytest

from backend.learning.backlog import PAGE_EVENTS
from backend.learning.event_queue import EventQueue, QueueConfig
from backend.learning.packed_event import pack_event
from backend.store.keys import CORRECTIONS_BYTES_KEY, CORRECTIONS_KEY
from tests.support.queued_events import bytes_counted, bytes_held, numbers


def queue_of(store, tmp_path, **limits: int) -> EventQueue:
    return EventQueue(store, tmp_path, QueueConfig(**limits))


def test_a_batch_fills_three_quarters_and_what_people_send_still_finds_room(store, tmp_path):
    queue = queue_of(store, tmp_path, max_events=8)
    queue.push({"n": 0})
    assert [queue.backlog.add(pack_event({"n": n})) for n in range(1, 8)] == [True] * 5 + [
        False
    ] * 2
    for n in (20, 21):
        queue.push({"n": n})
    assert numbers(queue.take(20)) == [0, 1, 2, 3, 4, 5, 20, 21]
    assert queue.counts["dropped"] == 0


def test_bytes_are_bounded_as_they_are_stored(store, tmp_path):
    queue = queue_of(store, tmp_path, max_bytes=4000)
    text = pack_event({"n": 1, "text": "x" * 970})
    assert [queue.backlog.add(text) for _ in range(4)] == [True, True, True, False]
    assert bytes_counted(store) == bytes_held(store) <= 3000
    queue.acknowledge([queued.id for queued in queue.take(9)])
    assert queue.backlog.add(text)


def test_a_sum_of_bytes_that_was_damaged_is_counted_anew(store, tmp_path):
    queue = queue_of(store, tmp_path, max_bytes=4000)
    queue.push({"n": 1})
    store.set_many({CORRECTIONS_BYTES_KEY: b"many"})
    assert queue.backlog.add(pack_event({"n": 2}))
    assert bytes_counted(store) == bytes_held(store)


@pytest.mark.parametrize("n_events", [0, 1, PAGE_EVENTS, 2 * PAGE_EVENTS + 1])
def test_all_that_waits_is_listed_in_its_order_taken_or_not(store, tmp_path, n_events):
    queue = queue_of(store, tmp_path)
    for n in range(n_events):
        queue.push({"n": n, "text": "x" * (n % 3) * 3000})
    queue.take(3)
    assert [event["n"] for event in queue.backlog.waiting()] == list(range(n_events))
    assert queue.size() == n_events


def test_what_is_no_event_is_passed_over(store, tmp_path):
    queue = queue_of(store, tmp_path)
    store.run("write", lambda client: client.xadd(CORRECTIONS_KEY, {"event": b"\xff"}))
    store.run("write", lambda client: client.xadd(CORRECTIONS_KEY, {"other": b"{}"}))
    queue.push({"n": 1})
    assert list(queue.backlog.waiting()) == [{"n": 1}]
