"""The embedded Valkey: shared by processes, persistent, started again, and never left behind."""

import logging
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.support.logs import warnings_of
from tests.support.stores import degraded, is_alive, read_line, run_python, server_pid, store_in
from tests.support.waiting import wait_until


def test_values_survive_a_restart(tmp_path):
    with store_in(tmp_path) as store:
        store.set_many({"a": b"\x00\xff", "b": b"2"})
        pid = server_pid(store)
    assert not is_alive(pid)
    with store_in(tmp_path) as store:
        assert store.get_many(["b", "nothing", "a"]) == [b"2", None, b"\x00\xff"]
        assert store.get_many([]) == []


def test_two_stores_of_a_folder_share_one_server_and_the_last_one_stops_it(tmp_path):
    with store_in(tmp_path) as first:
        with store_in(tmp_path) as second:
            pid = server_pid(second)
            assert server_pid(first) == pid
            first.close()
            second.set_many({"a": b"1"})
            assert second.get_many(["a"]) == [b"1"]
        wait_until(lambda: not is_alive(pid))


OPEN_AND_WAIT = """
import sys
from pathlib import Path
from backend.store.store import open_store
store = open_store(None, Path(sys.argv[1]))
store.set_many({sys.argv[2]: b"was here"})
print(store.client.info("server")["process_id"], flush=True)
sys.stdin.readline()
"""


def test_processes_that_start_at_once_share_one_server(tmp_path):
    workers = [run_python(OPEN_AND_WAIT, tmp_path, f"worker{i}") for i in range(5)]
    pids = {read_line(worker).strip() for worker in workers}
    assert len(pids) == 1
    with store_in(tmp_path) as store:
        for worker in workers:
            worker.communicate("\n")
        assert {str(server_pid(store))} == pids  # the leaving of the others did not stop it
        assert store.get_many([f"worker{i}" for i in range(5)]) == [b"was here"] * 5
    assert not is_alive(int(pids.pop()))


def test_the_server_ends_by_itself_when_its_last_user_is_killed(tmp_path):
    worker = run_python(OPEN_AND_WAIT, tmp_path, "killed")
    pid = int(read_line(worker))
    with store_in(tmp_path) as store:
        worker.kill()
        worker.communicate()
        assert store.get_many(["killed"]) == [b"was here"]
        assert server_pid(store) == pid
    assert not is_alive(pid)

    worker = run_python(OPEN_AND_WAIT, tmp_path, "the last")
    pid = int(read_line(worker))
    worker.kill()
    worker.communicate()
    wait_until(lambda: not is_alive(pid))
    with store_in(tmp_path) as store:
        assert store.get_many(["killed", "the last"]) == [b"was here"] * 2


def test_a_killed_server_is_started_again_with_what_it_knew(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    with store_in(tmp_path) as store:
        came_back = threading.Event()
        store.on_reconnect(came_back.set)
        store.set_many({"a": b"1"})
        pid = server_pid(store)
        os.kill(pid, signal.SIGKILL)
        assert store.get_many(["a"]) == [None]
        for _ in range(500):
            store.set_many({"b": b"2"})
        assert "predictions go on" in " ".join(warnings_of(caplog)).lower()
        wait_until(store.is_up)
        assert store.get_many(["a"]) == [b"1"]
        assert server_pid(store) != pid
        assert came_back.wait(5)
        assert store.describe()["degraded"] is None
    assert len(warnings_of(caplog)) == 1
    assert sum("is back after" in r.getMessage() for r in caplog.records) == 1


def test_a_server_that_was_paused_still_ends_with_its_last_user(tmp_path):
    with store_in(tmp_path) as store:
        pid = server_pid(store)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.2)  # for the news to reach whoever watches it
        os.kill(pid, signal.SIGCONT)
        assert server_pid(store) == pid
    assert not is_alive(pid)


def test_all_killed_at_once_leaves_nothing_in_the_way_of_the_next_start(tmp_path):
    worker = run_python(OPEN_AND_WAIT, tmp_path, "killed")
    pid = int(read_line(worker))
    worker.kill()
    os.kill(pid, signal.SIGKILL)
    worker.communicate()
    assert (tmp_path / "valkey" / "valkey.sock").exists()  # stale
    with store_in(tmp_path) as store:
        assert store.get_many(["killed"]) == [b"was here"]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("with space and ümlaut", id="spaces"),
        pytest.param("/".join(["deep" * 15] * 3), id="longer than a socket's address"),
    ],
)
def test_any_data_folder_will_do(tmp_path, name):
    folder = tmp_path / name
    with store_in(folder) as first, store_in(folder) as second:
        first.set_many({"a": b"1"})
        assert second.get_many(["a"]) == [b"1"]
        os.kill(server_pid(first), signal.SIGKILL)
        assert first.get_many(["a"]) == [None]
        wait_until(lambda: first.is_up())
        assert first.get_many(["a"]) == [b"1"]
        address = Path((folder / "valkey" / "address").read_text())
        assert address.exists()
    assert not address.exists()
    assert address.parent == (folder / "valkey").resolve() or not address.parent.exists()


def test_a_forked_worker_leaves_its_parents_server_running(tmp_path):
    code = OPEN_AND_WAIT.replace("sys.stdin.readline()", "") + (
        "import os\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    store.set_many({'child': b'1'})\n"
        "    sys.exit()\n"  # as a gunicorn worker ends: with its exit handlers
        "os.waitpid(child, 0)\n"
        "print(store.get_many(['child']), store.client.info('server')['process_id'])\n"
    )
    out, _ = run_python(code, tmp_path, "parent").communicate(timeout=60)
    first_pid, answer = out.splitlines()
    assert answer == f"[b'1'] {first_pid}"
    assert not is_alive(int(first_pid))


def test_a_server_that_cannot_start_is_told_with_its_own_words(tmp_path):
    with store_in(tmp_path) as store:
        store.set_many({"a": b"1"})
        os.kill(server_pid(store), signal.SIGKILL)
    journal = next((tmp_path / "valkey" / "appendonlydir").glob("*.incr.aof"))
    journal.write_bytes(b"nonsense\r\n" + journal.read_bytes())
    with store_in(tmp_path) as store:
        assert not store.is_up()
        assert "Bad file format" in degraded(store)
        assert str(tmp_path / "valkey" / "valkey.log") in degraded(store)
