"""The store: what it refuses, and how little a Redis that is lost, slow or wrong costs."""

import contextlib
import os
import signal
import socket
import threading

import pytest
import redis

from backend.errors import SettingsError, StoreError
from backend.store.embedded_valkey import ValkeyConfig
from backend.store.servers import ServerConfig
from backend.store.store import StoreConfig, open_store
from tests.support.logs import warnings_of
from tests.support.running_service import free_port
from tests.support.stores import degraded, server_pid, store_in
from tests.support.valkey_server import valkey_server
from tests.support.waiting import wait_until

GIVES_UP = StoreConfig(first_pause_s=3600, server=ServerConfig(read_timeout_s=1.0))


def test_a_folder_that_is_a_file_is_told_and_not_fatal(tmp_path):
    (tmp_path / "file").write_text("")
    with store_in(tmp_path / "file") as store:
        assert store.get_many(["a"]) == [None]
        assert "DATA_DIR" in degraded(store)


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
        assert "maxmemory" in degraded(store)
        assert store.get_many(["learned0"]) == [bytes(100_000)]  # reads go on
        assert store.is_up()

        store.run("make room", lambda client: client.flushall())
        store.set_many({"learned": b"1"})
        assert store.describe()["degraded"] is None


def test_a_redis_of_the_url_is_used_and_not_stopped(tmp_path):
    with valkey_server(tmp_path / "theirs") as server:
        with store_in(tmp_path, url=server.url) as store:
            store.set_many({"a": b"1"}, ttl_s=100)
            assert store.get_many(["a", "b"]) == [b"1", None]
            assert 0 < store.client.ttl("a") <= 100
            state = store.describe()
            assert state["kind"] == "redis"
            assert state["address"] == f"127.0.0.1:{server.port}/0"
            assert state["version"]
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
        with valkey_server(tmp_path / "theirs", port):
            wait_until(store.is_up)
            store.set_many({"a": b"1"})
            assert store.get_many(["a"]) == [b"1"]
        assert store.get_many(["a"]) == [None]
        with valkey_server(tmp_path / "theirs", port):
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
            assert "hangs" in degraded(store)
    for connection in accepted:
        connection.close()
    assert len(accepted) == 1
    assert len(warnings_of(caplog)) == 1
    assert "secret" not in caplog.text


def test_a_redis_that_falls_silent_costs_one_time_out(tmp_path):
    with (
        valkey_server(tmp_path / "theirs") as server,
        store_in(tmp_path, url=server.url, config=GIVES_UP) as store,
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
    with valkey_server(tmp_path / "theirs") as server:
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


def test_a_server_that_quotes_the_login_is_not_repeated(tmp_path, caplog):
    """Where AUTH is renamed, the answer to it holds its arguments."""
    renamed = {"rename-command": "AUTH SESAME"}
    with (
        valkey_server(tmp_path / "theirs", options=renamed) as server,
        store_in(tmp_path, url=f"redis://user:geheim@127.0.0.1:{server.port}/0") as store,
    ):
        told = degraded(store) + caplog.text
    assert "unknown command" in told
    assert "geheim" not in told


def test_a_user_who_may_not_write_reads_on_and_hears_of_it_once(tmp_path, caplog):
    with valkey_server(tmp_path / "theirs") as server:
        with redis.Redis(port=server.port) as admin:
            admin.execute_command("ACL SETUSER reader on >pw ~* +@read +@connection")
            admin.set("a", b"1")
        with store_in(tmp_path, url=f"redis://reader:pw@127.0.0.1:{server.port}") as store:
            for _ in range(50):
                store.set_many({"b": b"1"})
                assert store.get_many(["a"]) == [b"1"]
            assert "refuses to write the cache" in degraded(store)
    assert len(warnings_of(caplog)) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://:secret@localhost:6379",  # not a scheme of Redis
        "localhost:6379",  # no scheme
        "redis://:secret@localhost:port/0",  # no number
        "redis://:p@secret#s@localhost:6379/0",  # a password as it is
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
