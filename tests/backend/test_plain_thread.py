"""Starting a thread keeps nobody waiting, also where the new one finds no memory to begin."""

import threading
from functools import partial

import pytest

from backend import plain_thread
from backend.errors import StoreError
from backend.plain_thread import PlainThread
from backend.store.store import Store, StoreConfig, open_store
from tests.support.scarce_threads import let_threads_end
from tests.support.valkey_server import valkey_server
from tests.support.waiting import wait_until


def test_it_is_alive_from_its_start_to_its_end():
    go_on = threading.Event()
    thread = PlainThread(partial(wait_until, go_on.is_set))
    assert thread.is_alive()
    assert not thread.join(0.01)
    go_on.set()
    assert thread.join(60)
    assert not thread.is_alive()


def test_one_that_never_began_is_given_up(monkeypatch):
    let_threads_end(monkeypatch)
    thread = PlainThread(lambda: None)
    assert thread.is_alive()  # as it may be slow
    assert not thread.join(0.01)
    monkeypatch.setattr(plain_thread, "BEGINS_WITHIN_S", 0.0)
    assert not thread.is_alive()
    assert thread.join(60)


def test_a_store_that_found_no_thread_to_reconnect_refuses_at_once_and_comes_back(
    tmp_path, monkeypatch
):
    """The start of a `threading.Thread` would never return."""
    let_threads_end(monkeypatch)
    with valkey_server(tmp_path / "valkey") as server:
        store = open_store(server.url, tmp_path, StoreConfig(first_pause_s=0.01))
    for _ in range(2):
        with pytest.raises(StoreError):
            store.run("try", lambda client: client.ping())
    monkeypatch.undo()  # there is memory again
    monkeypatch.setattr(plain_thread, "BEGINS_WITHIN_S", 0.0)
    with valkey_server(tmp_path / "valkey", server.port):
        wait_until(lambda: answers(store), 60)
        store.close()


def answers(store: Store) -> bool:
    try:
        return store.run("try", lambda client: bool(client.ping()))
    except StoreError:
        return False
