"""The queue of webhook events on a real store: in, out, again, within its limits."""

import logging
import os

from backend.learning.event_queue import EventQueue, QueueConfig
from backend.store.keys import CORRECTIONS_KEY
from tests.support.counting import counted
from tests.support.queued_events import bytes_counted, bytes_held, numbers


def brush_event(n: int, rle_length=50_000) -> dict:
    rle = [(i * i) % 256 for i in range(rle_length)]
    result = [{"type": "brushlabels", "value": {"format": "rle", "rle": rle}}]
    return {"action": "ANNOTATION_CREATED", "n": n, "annotation": {"id": n, "result": result}}


def test_events_come_out_as_they_went_in_and_are_gone_when_done(store, tmp_path):
    queue = EventQueue(store, tmp_path)
    events = [{"n": 0, "text": "Straße 猫\n", "none": None}, brush_event(1), {"n": 2}]
    for event in events:
        queue.push(event)
    assert queue.size() == 3
    assert bytes_counted(store) == bytes_held(store) < 50_000  # RLE is compressed

    taken = queue.take(10)
    assert [queued.event for queued in taken] == events
    queue.acknowledge([queued.id for queued in taken[:2]])
    queue.acknowledge([queued.id for queued in taken[:2]])  # twice does no harm
    assert queue.size() == 1
    assert bytes_counted(store) == bytes_held(store) == len(b'{"n":2}')
    queue.acknowledge([taken[2].id])
    assert queue.size() == 0
    assert queue.take(10) == []
    assert counted(queue.counts) == {"pushed": 3}
    assert not (tmp_path / "corrections").exists()


def test_workers_share_the_events_between_them(store, tmp_path):
    first, second = EventQueue(store, tmp_path), EventQueue(store, tmp_path)
    for n in range(5):
        first.push({"n": n})
    assert numbers(first.take(3)) + numbers(second.take(10)) == [0, 1, 2, 3, 4]
    assert first.take(10) == second.take(10) == []


def test_events_not_done_in_time_are_delivered_again_before_new_ones(redelivering):
    queue = redelivering
    for n in range(4):
        queue.push({"n": n})
    assert numbers(queue.take(2)) == [0, 1]
    again = queue.take(3)
    assert numbers(again) == [0, 1, 2]
    queue.acknowledge([q.id for q in again])
    assert numbers(queue.take(10)) == [3]


def test_an_entry_that_is_no_event_is_set_aside_and_told(store, tmp_path, caplog):
    queue = EventQueue(store, tmp_path)
    queue.push({"n": 0})
    for value in (b"nonsense", b"{", b'["a list"]', b"\x80\x04N."):
        store.run(
            "spoil", lambda client, value=value: client.xadd(CORRECTIONS_KEY, {"event": value})
        )
    store.run("spoil", lambda client: client.xadd(CORRECTIONS_KEY, {"other": b"field"}))
    assert numbers(queue.take(10)) == [0]
    assert queue.size() == 1
    assert "5 corrections in the store cannot be read" in caplog.text
    assert [one.what for one in queue.set_aside.newest(9)] == 5 * ["what cannot be read"]


def test_the_oldest_are_dropped_when_there_are_too_many(store, redelivering, tmp_path, caplog):
    queue = EventQueue(store, tmp_path, QueueConfig(max_events=3))
    queue.push({"n": 0})
    queue.take(1)  # even one that is being worked off
    for n in range(1, 6):
        queue.push({"n": n})
    assert queue.size() == 3
    assert counted(queue.counts) == {"pushed": 6, "dropped": 3}
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "queue of corrections is full" in warnings[0].getMessage()
    assert bytes_counted(store) == bytes_held(store)
    assert numbers(redelivering.take(10)) == [3, 4, 5]


def test_the_oldest_are_dropped_when_they_are_too_large(store, tmp_path):
    queue = EventQueue(store, tmp_path, QueueConfig(max_bytes=1000))
    for n in range(10):
        queue.push({"n": n, "fill": "x" * 300})
    assert numbers(queue.take(10)) == [7, 8, 9]
    queue.push({"n": 10, "fill": os.urandom(4000).hex()})  # alone larger: kept all the same
    assert queue.size() == 1
