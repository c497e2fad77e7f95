"""Workers find the one that a key belongs to, and take turns where only one may begin.

What a server that was killed has left, the next one removes.
"""

import os
import signal
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend import worker_group as module
from backend.worker_group import begin_group
from tests.support.stores import read_line, run_python
from tests.support.waiting import wait_until

SERVER = """
import os, time
from backend.worker_group import begin_group
group = begin_group(1)
worker = os.fork()
if worker:
    print(group.folder, worker, flush=True)
time.sleep(600)
"""


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


def test_a_folder_stays_while_any_of_its_processes_goes_on(folder_of_all, new_group):
    server = run_python(SERVER)
    name, worker = read_line(server).split()
    own_socket = Path(name) / f"{worker}.sock"
    own_socket.touch()
    assert Path(name).parent == folder_of_all
    new_group()
    assert own_socket.exists()
    server.kill()
    server.wait(60)
    new_group()
    assert own_socket.exists()  # a worker goes on
    os.kill(int(worker), signal.SIGKILL)
    wait_until(lambda: not is_left(new_group, Path(name)))
    server.communicate()


def is_left(new_group, folder: Path) -> bool:
    """After a further server has started; a killed process may take a moment to end."""
    new_group()
    return folder.exists()


def test_only_own_folders_of_workers_are_removed(folder_of_all, new_group, monkeypatch):
    others = [folder_of_all / name for name in ("firstpass-5f3a9c2b", "firstpass-worker", "else")]
    for other in others:
        other.mkdir()
    (link := folder_of_all / "firstpass-workers-link").symlink_to(others[0])
    (file := folder_of_all / "firstpass-workers-file").touch()
    (left := folder_of_all / "firstpass-workers-left").mkdir()  # killed before it was locked
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        new_group()
    assert left.exists()
    new_group()
    assert not left.exists()
    assert all(path.exists() for path in (*others, link, file))
    assert list(others[0].iterdir()) == []


def test_a_folder_that_was_removed_before_it_was_locked_is_made_again(
    folder_of_all, new_group, monkeypatch
):
    make: Callable[..., str] = tempfile.mkdtemp
    made: list[str] = []

    def make_and_lose_the_first(prefix: str, dir: Path) -> str:
        made.append(make(prefix=prefix, dir=dir))
        if len(made) == 1:
            Path(made[0]).rmdir()
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", make_and_lose_the_first)
    assert str(new_group().folder) == made[1]


def test_where_the_folder_for_temporary_files_is_too_deep_for_sockets_it_is_in_tmp(
    folder_of_all, new_group, monkeypatch
):
    deep = folder_of_all / ("deep" * 20)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    group = new_group()
    assert group.folder.parent == Path("/tmp")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(group.socket_of(group.own_name)))
    assert group.ready() == [group.own_name]


@pytest.fixture
def folder_of_all(monkeypatch) -> Iterator[Path]:
    """In place of /tmp."""
    with tempfile.TemporaryDirectory(prefix="firstpass-test-", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.fixture
def new_group(folder_of_all, monkeypatch):
    """Have a server begin."""
    monkeypatch.setattr(module, "_group", None)
    begun = []

    def begin():
        begun.append(begin_group(1))
        return begun[-1]

    yield begin
    for group in begun:
        group.remove()
