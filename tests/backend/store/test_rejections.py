"""What a server refuses is shown as long as it does, and no longer."""

import logging

import pytest

from backend.errors import StoreError
from tests.support.stores import degraded, store_in


def test_a_refusal_for_want_of_room_is_over_when_there_is_room(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    with store_in(tmp_path) as store:
        store.run("fill", lambda client: client.config_set("maxmemory", "1mb"))
        for _ in range(2):
            with pytest.raises(StoreError, match="refuses to store lessons"):
                store.run("store lessons", lambda client: client.set("lesson", b"1"))
        assert "refuses to store lessons" in degraded(store)
        assert "refuses to store lessons" in degraded(store)
        store.run("make room", lambda client: client.config_set("maxmemory", "100mb"))
        assert degraded(store) == ""  # though no lesson came since
        lines = [line for line in caplog.messages if "store lessons" in line]
        assert [line.split("valkey ")[1][:13] for line in lines] == [
            "refuses to st",
            "can store les",
        ]


def test_a_refusal_of_one_command_stays(tmp_path):
    with store_in(tmp_path) as store:
        store.set_many({"text": b"1"})
        with pytest.raises(StoreError):
            store.run("queue a correction", lambda client: client.rpush("text", b"1"))
        assert "refuses to queue a correction: WRONGTYPE" in degraded(store)
        assert store.is_up()
