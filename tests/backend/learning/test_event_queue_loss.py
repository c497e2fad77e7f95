"""No event is lost when the store goes or processes are killed at the worst moments."""

import logging

import pytest

from backend.errors import StoreError
from backend.learning.event_queue import EventQueue
from backend.store.store import open_store
from tests.support.counting import counted
from tests.support.queued_events import numbers
from tests.support.stores import (
    NEVER_RECONNECTS,
    kill_server,
    open_patient_store,
    read_line,
    run_python,
)
from tests.support.waiting import wait_until


def test_without_a_store_events_wait_in_a_file_and_move_when_it_is_back(store, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    queue = EventQueue(store, tmp_path)
    queue.push({"n": 0})
    kill_server(store)
    for n in range(1, 4):
        queue.push({"n": n})
    assert queue.counts["pushed"] == 4
    wait_until(store.is_up)
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
    away = open_store("redis://127.0.0.1:1", tmp_path, NEVER_RECONNECTS)
    queue = EventQueue(away, tmp_path)
    for n in range(3):
        queue.push({"n": n})
    assert queue.size() == 3
    assert queue.take(3) == []
    queue.acknowledge(["0-1"])  # nothing to do it with, and no error
    away.close()

    store = open_patient_store(tmp_path)
    queue = EventQueue(store, tmp_path)
    assert queue.size() == 3
    assert EventQueue(store, tmp_path / "elsewhere").size() == 3  # no longer in the file
    assert numbers(queue.take(10)) == [0, 1, 2]
    store.close()


def test_an_event_that_nothing_takes_is_an_error_with_the_cure(tmp_path):
    away = open_store("redis://127.0.0.1:1", tmp_path, NEVER_RECONNECTS)
    queue = EventQueue(away, tmp_path)
    (tmp_path / "corrections").write_text("a file where the folder should be")
    event = {"action": "ANNOTATION_CREATED", "project": {"id": 3}, "annotation": {"id": 7}}
    with pytest.raises(StoreError, match="Make room on the disk") as found:
        queue.push(event)
    assert str(found.value).startswith("ANNOTATION_CREATED of project 3, annotation 7 is lost: ")
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


def kill_after(worker, lines: int) -> int:
    """Kill -9 after so many lines; the number of the last event it knew to be taken in."""
    for _ in range(lines):
        read_line(worker)
    worker.kill()
    rest = worker.stdout.read()  # not communicate(), which forgets what readline() had buffered
    worker.communicate()
    return lines - 1 + rest.count("\n")


def test_what_was_pushed_outlives_a_kill(tmp_path):
    last = kill_after(run_python(WORKER, tmp_path, "push", ""), 50)
    store = open_patient_store(tmp_path)
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
    last = kill_after(run_python(WORKER, tmp_path, "push", "redis://127.0.0.1:1"), 50)
    store = open_patient_store(tmp_path)
    found = numbers(EventQueue(store, tmp_path).take(10_000))
    assert set(range(last + 1)) <= set(found) <= set(range(last + 2))
    store.close()


def test_what_a_killed_worker_had_taken_is_delivered_again(redelivering, tmp_path):
    queue = redelivering
    for n in range(8):
        queue.push({"n": n})
    worker = run_python(WORKER, tmp_path, "take", "")
    assert read_line(worker) == "0 1 2 3 4\n"
    worker.kill()
    worker.communicate()
    assert numbers(queue.take(10)) == list(range(8))
