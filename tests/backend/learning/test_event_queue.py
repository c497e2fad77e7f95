"""The queue of corrections on a real store, with processes killed at the worst moments."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import StoreError
from backend.learning.event_queue import EventQueue, QueueConfig
from backend.learning.spool import Spool
from backend.store.keys import CORRECTIONS_BYTES_KEY, CORRECTIONS_KEY
from backend.store.servers import ServerConfig
from backend.store.store import StoreConfig, open_store
from tests.support.counting import counted

ROOT = Path(__file__).parents[3]
AT_ONCE = QueueConfig(claim_after_s=0.0)


def open_quick(data_dir, *, url=None, first_pause_s=0.05):
    # Long time-outs, so that a busy machine is not taken for a lost store.
    server = ServerConfig(connect_timeout_s=30, read_timeout_s=30)
    config = StoreConfig(first_pause_s=first_pause_s, longest_pause_s=0.1, server=server)
    return open_store(url, data_dir, config)


@pytest.fixture
def store(tmp_path):
    store = open_quick(tmp_path)
    yield store
    store.close()


def kill_server(store) -> None:
    pid = store.run("look", lambda client: client.info("server"))["process_id"]
    os.kill(pid, signal.SIGKILL)
    assert store.get_many(["notice"]) == [None]


def wait_until(claim, timeout_s=20.0):
    deadline = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def numbers(events) -> list[int]:
    return [queued.event["n"] for queued in events]


def bytes_counted(store) -> int:
    return int(store.run("look", lambda client: client.get(CORRECTIONS_BYTES_KEY)))


def bytes_held(store) -> int:
    entries = store.run("look", lambda client: client.xrange(CORRECTIONS_KEY))
    return sum(len(fields[b"event"]) for _, fields in entries)


def brush_event(n: int, rle_length=50_000) -> dict:
    rle = [(i * i) % 256 for i in range(rle_length)]
    result = [{"type": "brushlabels", "value": {"format": "rle", "rle": rle}}]
    return {"action": "ANNOTATION_CREATED", "n": n, "annotation": {"id": n, "result": result}}


# --- in and out


def test_events_come_out_as_they_went_in_and_are_gone_when_done(store, tmp_path):
    queue = EventQueue(store, tmp_path)
    events = [{"n": 0, "text": "Straße 猫\n", "none": None}, brush_event(1), {"n": 2}]
    for event in events:
        queue.push(event)
    assert queue.size() == 3
    assert bytes_counted(store) == bytes_held(store) < 50_000  # RLE is compressed

    taken = queue.take(10)
    assert [queued.event for queued in taken] == events
    assert [queued.deliveries for queued in taken] == [1, 1, 1]
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


def test_events_not_done_in_time_are_delivered_again_before_new_ones(store, tmp_path):
    queue = EventQueue(store, tmp_path, AT_ONCE)
    for n in range(4):
        queue.push({"n": n})
    assert numbers(queue.take(2)) == [0, 1]
    again = queue.take(3)
    assert [(q.event["n"], q.deliveries) for q in again] == [(0, 2), (1, 2), (2, 1)]
    queue.acknowledge([q.id for q in again])
    assert numbers(queue.take(10)) == [3]


def test_an_entry_that_is_no_event_is_dropped_and_told(store, tmp_path, caplog):
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


def test_the_oldest_are_dropped_when_there_are_too_many(store, tmp_path, caplog):
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
    assert numbers(EventQueue(store, tmp_path, AT_ONCE).take(10)) == [3, 4, 5]


def test_the_oldest_are_dropped_when_they_are_too_large(store, tmp_path):
    queue = EventQueue(store, tmp_path, QueueConfig(max_bytes=1000))
    for n in range(10):
        queue.push({"n": n, "fill": "x" * 300})
    assert numbers(queue.take(10)) == [7, 8, 9]
    queue.push({"n": 10, "fill": os.urandom(4000).hex()})  # alone larger: kept all the same
    assert queue.size() == 1


# --- the store goes, processes die


def test_without_a_store_events_wait_in_a_file_and_move_when_it_is_back(store, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    queue = EventQueue(store, tmp_path)
    queue.push({"n": 0})
    kill_server(store)
    for n in range(1, 4):
        queue.push({"n": n})
    assert queue.counts["pushed"] == 4
    wait_until(lambda: len(queue._spool) == 0 and store.is_up())
    assert sorted(numbers(queue.take(10))) == [0, 1, 2, 3]
    assert queue.counts["dropped"] == 0


def test_a_full_store_sends_events_to_the_file_until_it_has_room(store, tmp_path):
    queue = EventQueue(store, tmp_path)
    store.run("fill", lambda client: client.config_set("maxmemory", "1mb"))
    for n in range(3):
        queue.push({"n": n})
    assert counted(queue.counts) == {"pushed": 3, "spooled": 3}
    assert "refuses to queue a correction" in store.describe()["degraded"]
    store.run("make room", lambda client: client.config_set("maxmemory", "100mb"))
    assert numbers(queue.take(10)) == [0, 1, 2]
    assert queue.size() == 3


def test_events_left_in_the_file_move_at_the_next_start(tmp_path):
    away = open_quick(tmp_path, url="redis://127.0.0.1:1", first_pause_s=3600)
    queue = EventQueue(away, tmp_path)
    for n in range(3):
        queue.push({"n": n})
    assert queue.size() == 3
    assert queue.take(3) == []
    queue.acknowledge(["0-1"])  # nothing to do it with, and no error
    away.close()

    store = open_quick(tmp_path)
    queue = EventQueue(store, tmp_path)
    assert queue.size() == 3
    assert not queue._spool
    assert numbers(queue.take(10)) == [0, 1, 2]
    store.close()


def test_an_event_that_nothing_takes_is_an_error_with_the_cure(tmp_path):
    away = open_quick(tmp_path, url="redis://127.0.0.1:1", first_pause_s=3600)
    queue = EventQueue(away, tmp_path)
    (tmp_path / "corrections").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="Make room on the disk"):
        queue.push({"n": 0})
    assert counted(queue.counts) == {}
    away.close()


WORKER = """
import itertools, sys
from pathlib import Path
from backend.learning.event_queue import EventQueue, QueueConfig
from backend.store.store import StoreConfig, open_store
data_dir, job, url = Path(sys.argv[1]), sys.argv[2], sys.argv[3] or None
store = open_store(url, data_dir, StoreConfig(first_pause_s=0.05, longest_pause_s=0.1))
queue = EventQueue(store, data_dir)
if job == "push":
    for n in itertools.count():
        queue.push({"n": n, "fill": "x" * 2000})
        print(n, flush=True)
else:
    print(*(queued.event["n"] for queued in queue.take(5)), flush=True)
    sys.stdin.readline()
"""


def start_worker(data_dir, job, url=""):
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(data_dir), job, url],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def kill_after(worker, lines: int) -> int:
    """Kill -9 after so many lines; the number of the last event it knew to be taken in."""
    for _ in range(lines):
        worker.stdout.readline()
    worker.kill()
    rest = worker.stdout.read()  # not communicate(), which forgets what readline() had buffered
    worker.communicate()
    return lines - 1 + rest.count("\n")


def test_what_was_pushed_outlives_a_kill(tmp_path):
    last = kill_after(start_worker(tmp_path, "push"), 50)
    store = open_quick(tmp_path)
    found = numbers(EventQueue(store, tmp_path).take(10_000))
    assert set(range(last + 1)) <= set(found) <= set(range(last + 2))
    store.close()


def test_what_the_server_has_synced_outlives_its_kill(store, tmp_path):
    queue = EventQueue(store, tmp_path)
    with store.client.client() as connection:  # one connection: WAITAOF speaks of its own writes
        for n in range(20):
            queue.push({"n": n})
        connection.set("after", b"them")
        wait_until(lambda: connection.waitaof(1, 0, 100)[0] == 1)
    kill_server(store)
    queue.push({"n": 20})
    wait_until(store.is_up)
    assert sorted(numbers(queue.take(100))) == list(range(21))


def test_what_was_pushed_into_the_file_outlives_a_kill(tmp_path):
    last = kill_after(start_worker(tmp_path, "push", "redis://127.0.0.1:1"), 50)
    store = open_quick(tmp_path)
    found = numbers(EventQueue(store, tmp_path).take(10_000))
    assert set(range(last + 1)) <= set(found) <= set(range(last + 2))
    store.close()


def test_what_a_killed_worker_had_taken_is_delivered_again(store, tmp_path):
    queue = EventQueue(store, tmp_path, AT_ONCE)
    for n in range(8):
        queue.push({"n": n})
    worker = start_worker(tmp_path, "take")
    assert worker.stdout.readline() == "0 1 2 3 4\n"
    worker.kill()
    worker.communicate()
    again = queue.take(10)
    assert numbers(again) == list(range(8))
    assert [queued.deliveries for queued in again] == [2] * 5 + [1] * 3


# --- the spool file


RECORDS = st.lists(st.binary(max_size=60).filter(lambda record: b"\n" not in record), max_size=8)


@settings(max_examples=40)
@given(records=RECORDS, data=st.data())
def test_a_spool_cut_anywhere_keeps_all_whole_records_and_those_after(
    tmp_path_factory, records, data
):
    spool = Spool(tmp_path_factory.mktemp("spool") / "waiting.jsonl", 10**6)
    for record in records:
        assert spool.append(record) == 0
    assert len(spool) == len(records)
    whole = spool.path.read_bytes() if records else b""
    cut = data.draw(st.integers(0, len(whole)))
    spool.path.write_bytes(whole[:cut])
    spool.append(b"after the crash")
    found = []
    spool.drain(found.append)
    assert found[-1] == b"after the crash"
    assert found[:-1] == records[: len(found) - 1]
    assert len(found) - 1 >= sum(end <= cut for end in line_ends(records))
    assert not spool


def line_ends(records) -> list[int]:
    ends, at = [], 0
    for record in records:
        at += len(record) + 11
        ends.append(at)
    return ends


def test_a_spool_that_stops_halfway_keeps_the_rest(tmp_path):
    spool = Spool(tmp_path / "waiting.jsonl", 10**6)
    for record in (b"a", b"b", b"c"):
        spool.append(record)
    found = []

    def take(record):
        if record == b"b" and len(found) == 1:
            found.append(None)
            raise StoreError("gone again")
        found.append(record)

    with pytest.raises(StoreError):
        spool.drain(take)
    assert len(spool) == 2
    spool.drain(take)
    assert found == [b"a", None, b"b", b"c"]


def test_a_spool_makes_room_by_dropping_its_oldest(tmp_path):
    spool = Spool(tmp_path / "waiting.jsonl", 1000)
    dropped = sum(spool.append(b"%03d " % n + b"x" * 85) for n in range(40))
    found = []
    spool.drain(found.append)
    assert dropped > 0
    assert [int(record[:3]) for record in found] == list(range(dropped, 40))
    assert spool.append(b"y" * 5000) == 0  # alone larger: kept all the same
    assert len(spool) == 1


def test_the_spool_is_lines_a_person_can_read(tmp_path):
    spool = Spool(tmp_path / "waiting.jsonl", 1000)
    spool.append(json.dumps({"n": 1}).encode())
    assert spool.path.read_text() == '\n0af73c42 {"n": 1}\n'
