"""A record in memory that processes share: no change is lost, also when one is killed."""

import os
import signal

import pytest

from backend.shared_record import SharedRecord


def in_a_fork(work) -> int:
    """Run `work` in a process of its own; its number, while it may still run."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


@pytest.fixture
def record(tmp_path):
    found = SharedRecord(tmp_path / "lock")
    yield found
    found.close()


def test_it_begins_empty_and_keeps_what_it_is_given():
    record = SharedRecord()
    assert record.read() == {}
    with record.change() as kept:
        kept["token"] = "ä" * 100
    assert record.read() == {"token": "ä" * 100}


def test_changes_of_several_processes_all_count(record):
    def count() -> None:
        for _ in range(500):
            with record.change() as kept:
                kept["n"] = kept.get("n", 0) + 1

    for pid in [in_a_fork(count) for _ in range(4)]:
        os.waitpid(pid, 0)
    assert record.read() == {"n": 2000}


def test_a_process_that_is_killed_in_a_change_leaves_it_as_it_was_and_locks_nobody_out(record):
    with record.change() as kept:
        kept["n"] = 1

    def be_killed() -> None:
        with record.change() as kept:
            kept["n"] = 2
            os.kill(os.getpid(), signal.SIGKILL)

    os.waitpid(in_a_fork(be_killed), 0)
    assert record.read() == {"n": 1}


def test_what_does_not_fit_is_refused_and_changes_nothing(record):
    def overfill() -> None:
        with record.change() as kept:
            kept["n"] = "x" * 2**17

    with pytest.raises(ValueError, match="do not fit"):
        overfill()
    assert record.read() == {}
