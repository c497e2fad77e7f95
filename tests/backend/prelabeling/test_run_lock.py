"""A second run on a project notices the first, and a killed one is in nobody's way for long."""

import pytest

from backend.errors import SettingsError
from backend.prelabeling.run_lock import RunLock, locked
from tests.support.stores import kill_server, read_line, run_python, store_in
from tests.support.waiting import wait_until

HOLD = """
import sys, time
from pathlib import Path
from backend.prelabeling.run_lock import RunLock
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
            assert not lock.is_lost


def test_the_lock_is_held_again_after_the_store_was_lost(tmp_path):
    with store_in(tmp_path) as store, locked(RunLock(store, "12.200", 0.3), lambda _: None) as lock:
        kill_server(store)
        wait_until(store.is_up)
        store.remove(["firstpass:prelabel:12.200"])
        wait_until(lambda: store.get_many(["firstpass:prelabel:12.200"]) != [None])
        assert not lock.is_lost


def test_a_lock_that_another_run_took_meanwhile_is_known_to_be_lost(store):
    with locked(RunLock(store, "12.200", 0.3), lambda _: None) as lock:
        store.set_many({"firstpass:prelabel:12.200": b"another"})
        wait_until(lambda: lock.is_lost)
    assert store.get_many(["firstpass:prelabel:12.200"]) == [b"another"]
    store.remove(["firstpass:prelabel:12.200"])
