"""The spool file keeps whole records, whatever cuts it off."""

import json
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import StoreError
from backend.learning.spool import Spool
from tests.support.full_disk import full_disk
from tests.support.waiting import wait_until

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
    found: list[bytes] = []
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
    found: list[bytes] = []

    def take(record):
        if record == b"b" and len(found) == 1:
            found.append(b"failed")
            raise StoreError("gone again")
        found.append(record)

    with pytest.raises(StoreError):
        spool.drain(take)
    assert len(spool) == 2
    spool.drain(take)
    assert found == [b"a", b"failed", b"b", b"c"]


def test_a_spool_makes_room_by_dropping_its_oldest(tmp_path):
    spool = Spool(tmp_path / "waiting.jsonl", 1000)
    dropped = sum(spool.append(b"%03d " % n + b"x" * 85) for n in range(40))
    found: list[bytes] = []
    spool.drain(found.append)
    assert dropped > 0
    assert [int(record[:3]) for record in found] == list(range(dropped, 40))
    assert spool.append(b"y" * 5000) == 0  # alone larger: kept all the same
    assert len(spool) == 1


def test_the_spool_is_lines_a_person_can_read(tmp_path):
    spool = Spool(tmp_path / "waiting.jsonl", 1000)
    spool.append(json.dumps({"n": 1}).encode())
    assert spool.path.read_text() == '\n0af73c42 {"n": 1}\n'


def test_a_spool_of_damaged_records_alone_is_emptied_and_said_once(tmp_path, caplog):
    spool = Spool(tmp_path / "waiting.jsonl", 1000)
    spool.path.write_bytes(b"nonsense\n0af73c42 {cut\n")
    for _ in range(3):
        spool.drain(lambda record: pytest.fail(f"{record!r} was no record"))
    assert len(caplog.messages) == 1
    assert not spool


def test_a_folder_in_the_place_of_the_spool_counts_as_empty(tmp_path):
    spool = Spool(tmp_path / "waiting.jsonl", 1000)
    spool.path.mkdir()
    assert not spool
    assert len(spool) == 0


def test_a_record_that_finds_no_room_leaves_nothing_behind(tmp_path, caplog):
    spool = Spool(tmp_path / "waiting.jsonl", 10**6)
    spool.append(b"a" * 500)
    with full_disk(at_bytes=800):
        for _ in range(3):
            with pytest.raises(OSError, match=r"waiting\.jsonl|large"):
                spool.append(b"b" * 500)
    found: list[bytes] = []
    assert spool.drain(found.append) == 1
    assert found == [b"a" * 500]
    assert caplog.messages == []


def test_where_no_file_can_be_written_nothing_is_consumed_twice(tmp_path):
    """A full disk still takes changes in place."""
    spool = Spool(tmp_path / "waiting.jsonl", 10**6)
    (tmp_path / "waiting.jsonl.new").mkdir()  # in the place of a file to replace it with
    for n in range(4):
        spool.append(b"%d" % n * 300)
    found: list[bytes] = []

    def take(record: bytes) -> None:
        if len(found) in (1, 3):
            found.append(b"failed")
            raise StoreError("gone again")
        found.append(record[:1])

    for _ in range(2):
        with pytest.raises(StoreError):
            spool.drain(take)
    assert spool.drain(take) == 2
    assert found == [b"0", b"failed", b"1", b"failed", b"2", b"3"]
    assert not spool


def test_nobody_else_can_read_the_spool(tmp_path):
    """Events hold addresses of images and what people wrote, whatever the umask."""
    path = tmp_path / "corrections" / "waiting.jsonl"
    before = os.umask(0)
    try:
        spool = Spool(path, 1000)
        spool.append(b"one")
        path.chmod(0o644)  # as an earlier release left it
        spool.append(b"two")
        assert path.stat().st_mode & 0o777 == 0o600
        spool.append(b"x" * 900)  # rewrites the file
        modes = {one.name: one.stat().st_mode & 0o077 for one in path.parent.iterdir()}
        assert set(modes.values()) == {0}
        assert path.parent.stat().st_mode & 0o077 == 0
    finally:
        os.umask(before)


def test_two_threads_that_drain_at_once_move_each_record_once_and_neither_fails(tmp_path):
    """As the learner and the thread that reconnects do when the store is back."""
    spool = Spool(tmp_path / "waiting.jsonl", 10**6)
    spool.append(b"a")
    found: list[bytes] = []
    with ThreadPoolExecutor(1) as threads:
        second: list[Future[int]] = []

        def take(record: bytes) -> None:
            second.append(threads.submit(spool.drain, found.append))
            wait_until(second[0].running)
            time.sleep(0.2)  # for it to come to the lock, which this thread holds
            found.append(record)

        assert spool.drain(take) == 1
        assert second[0].result(60) == 0
    assert found == [b"a"]


def test_a_spool_that_is_drained_while_it_is_counted_is_empty(tmp_path, monkeypatch):
    spool = Spool(tmp_path / "waiting.jsonl", 10**6)
    monkeypatch.setattr(Spool, "__bool__", lambda _: True)  # as a moment ago
    assert len(spool) == 0
