"""Stores on real servers, and what tests do to these servers."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from backend.store.servers import ServerConfig
from backend.store.store import Store, StoreConfig, open_store
from tests.support.running_service import ROOT

# Long timeouts, since a busy machine is no lost store; short pauses, to reconnect at once.
PATIENT = ServerConfig(connect_timeout_s=30, read_timeout_s=30)
RECONNECTS_AT_ONCE = StoreConfig(first_pause_s=0.05, longest_pause_s=0.1, server=PATIENT)
NEVER_RECONNECTS = StoreConfig(first_pause_s=3600, server=PATIENT)


def open_patient_store(data_dir: Path, url: str | None = None) -> Store:
    return open_store(url, data_dir, RECONNECTS_AT_ONCE)


@contextlib.contextmanager
def store_in(
    data_dir: Path, *, url: str | None = None, config: StoreConfig = RECONNECTS_AT_ONCE
) -> Iterator[Store]:
    """A store that is closed at the end of the block."""
    store = open_store(url, data_dir, config)
    try:
        yield store
    finally:
        store.close()


def degraded(store: Store) -> str:
    """Why the store is down or refuses commands; "" if it does not."""
    return store.describe()["degraded"] or ""


def server_pid(store: Store) -> int:
    info = store.run("ask", lambda client: client.info("server"))
    return int(info["process_id"])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def kill_server(store: Store) -> None:
    """Kill -9, noticed by the store when this returns."""
    os.kill(server_pid(store), signal.SIGKILL)
    assert store.get_many(["notice"]) == [None]


def run_python(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """A program that imports from the repository, with pipes for its input and output."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def read_line(process: "subprocess.Popen[str]") -> str:
    """The next line that the program prints."""
    assert process.stdout is not None
    return process.stdout.readline()
