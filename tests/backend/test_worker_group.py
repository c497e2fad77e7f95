"""Workers find the one that a key belongs to, and take turns where only one may begin."""

import threading
import time
from collections import Counter

import pytest

from backend import worker_group as module
from backend.worker_group import begin_group


@pytest.fixture
def group(monkeypatch):
    monkeypatch.setattr(module, "_group", None)
    found = begin_group(3)
    yield found
    found.remove()


def test_a_key_belongs_to_one_of_those_that_are_ready(group):
    assert group.owner_of("a") == group.own_name  # before any is
    for name in ("7", "8", "9"):
        group.socket_of(name).touch()
    keys = [f"1.100/{n}" for n in range(300)]
    before = {key: group.owner_of(key) for key in keys}
    assert min(Counter(before.values()).values()) > 60
    group.note_end_of("8")
    after = {key: group.owner_of(key) for key in keys}
    assert all(after[key] == before[key] for key in keys if before[key] != "8")
    assert set(after.values()) == {"7", "9"}


def test_the_first_goes_through_alone_and_the_others_together(group):
    inside, most, together = [], [], threading.Barrier(3)

    def go(is_first: bool = False) -> None:
        with group.one_first("model"):
            inside.append(1)
            most.append(len(inside))
            if is_first:
                time.sleep(0.2)
            else:
                together.wait(60)  # which takes all three inside
            inside.pop()

    first = threading.Thread(target=go, args=(True,))
    first.start()
    while not inside:
        time.sleep(0.001)
    others = [threading.Thread(target=go) for _ in range(3)]
    for thread in (*others, first):
        thread.start() if thread is not first else thread.join()
    for thread in others:
        thread.join(60)
        assert not thread.is_alive()
    assert most[0] == 1


def test_a_first_that_fails_leaves_its_turn(group):
    def fail() -> None:
        with group.one_first("model"):
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        fail()
    with group.one_first("model"):
        assert not (group.folder / "model.done").exists()


def test_an_occasion_is_the_firsts(group):
    assert [group.is_first("start block") for _ in range(3)] == [True, False, False]
