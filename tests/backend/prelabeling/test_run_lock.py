"""A second run on a project notices the first, and a killed one is in nobody's way for long."""

import threading
import time

import pytest

from backend import plain_thread
from backend.errors import OutOfMemory, SettingsError
from backend.prelabeling.run_lock import RunLock, locked
from tests.support.scarce_threads import PLAIN, let_threads_end, refuse_threads
from tests.support.stores import kill_server, read_line, run_python, store_in
from tests.support.waiting import wait_until

HOLD = """
import sys, time
from pathlib import Path
from backend.prelabeling.run_lock import RunLock
from tests.support.scarce_threads import PLAIN, let_threads_end, refuse_threads
from tests.support.stores import open_patient_store
RunLock(open_patient_store(Path(sys.argv[1])), "12.200", 2).acquire(print)
print("held", flush=True)
time.sleep(600)
"""


def test_a_second_run_is_told_of_the_first(store):
    said: list[str] = []
    with (
        locked(RunLock(store, "12.200", 2), said.append),
        pytest.raises(SettingsError, match=r"being prelabeled already \(process \d+ on .*, since"),
    ):
        RunLock(store, "12.200", 2).acquire(said.append)
    assert len(said) == 1
    with locked(RunLock(store, "12.200"), said.append), locked(RunLock(store, "13.1"), said.append):
        assert len(said) == 1


def test_the_lock_of_a_killed_run_expires(tmp_path):
    with store_in(tmp_path) as store:
        holder = run_python(HOLD, tmp_path)
        assert read_line(holder) == "held\n"
        holder.kill()
        holder.communicate()
        with locked(RunLock(store, "12.200", 2), lambda _: None) as lock:
            assert not lock.is_lost()


def test_the_lock_is_held_again_after_the_store_was_lost(tmp_path):
    with store_in(tmp_path) as store, locked(RunLock(store, "12.200", 0.3), lambda _: None) as lock:
        kill_server(store)
        wait_until(store.is_up)
        store.remove(["firstpass:prelabel:12.200"])
        wait_until(lambda: store.get_many(["firstpass:prelabel:12.200"]) != [None])
        assert not lock.is_lost()


def test_a_lock_that_another_run_took_meanwhile_is_known_to_be_lost(store):
    with locked(RunLock(store, "12.200", 0.3), lambda _: None) as lock:
        store.set_many({"firstpass:prelabel:12.200": b"another"})
        wait_until(lock.is_lost)
    assert store.get_many(["firstpass:prelabel:12.200"]) == [b"another"]
    store.remove(["firstpass:prelabel:12.200"])


def test_a_lock_that_no_thread_can_renew_is_free_at_once(store, monkeypatch):
    with monkeypatch.context() as scarce:
        refuse_threads(scarce)
        with pytest.raises(OutOfMemory, match=r"no memory for the thread .* project 12\.200"):
            RunLock(store, "12.200").try_acquire()
    lock = RunLock(store, "12.200")
    assert lock.try_acquire()
    lock.release()


def test_a_lock_whose_thread_never_began_is_kept_by_the_run_that_asks_for_it(store, monkeypatch):
    lock, other = RunLock(store, "12.200", 0.5), RunLock(store, "12.200", 0.5)
    monkeypatch.setattr(plain_thread, "BEGINS_WITHIN_S", 0.0)
    with monkeypatch.context() as scarce:
        let_threads_end(scarce)
        assert lock.try_acquire()
        until_s = time.monotonic() + 2
        while time.monotonic() < until_s:
            assert not lock.is_lost()
            assert not other.try_acquire()
            time.sleep(0.05)
    assert not lock.is_lost()  # which has the thread begin
    time.sleep(1)
    assert not other.try_acquire()
    lock.release()
    assert other.try_acquire()
    other.release()


def test_a_lock_that_is_released_while_it_is_renewed_is_free(store, monkeypatch):
    monkeypatch.setattr(plain_thread, "BEGINS_WITHIN_S", 0.0)
    let_threads_end(monkeypatch, PLAIN)
    for _ in range(100):
        lock, is_over = RunLock(store, "12.200"), threading.Event()
        assert lock.try_acquire()
        renewing = threading.Thread(target=ask_until, args=(lock, is_over))
        renewing.start()
        lock.release()
        is_over.set()
        renewing.join()
        assert store.get_many(["firstpass:prelabel:12.200"]) == [None]


def ask_until(lock: RunLock, is_over: threading.Event) -> None:
    while not is_over.is_set():
        lock.is_lost()
