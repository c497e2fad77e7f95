"""One embedded Valkey server per data folder, shared by all processes that use the folder.

Two file locks say when to start and when to stop it. The kernel releases them when a process ends,
also after kill -9:

server.lock   exclusive, held by the server process through an inherited file descriptor. A process
              that can lock it knows that no server runs, and may start one.
users.lock    shared, held by each process that uses the server. The server's parent process
              (valkey_guard.py) waits for an exclusive lock on it, then stops the server.
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
from backend.listen_address import fits_unix_socket
from backend.store.atomic_file import open_private, replace_file
from backend.store.valkey_binary import valkey_binary

log = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.01


@dataclass(frozen=True)
class ValkeyConfig:
    max_memory_mb: int = 512  # beyond it keys with a time to live are evicted, others never
    start_timeout_s: float = 10.0  # until it answers; the store reconnects to one that needs longer
    stop_timeout_s: float = 5.0


class SharedValkey:
    """The server of one folder: `acquire` its socket, use it, `release` it."""

    def __init__(self, folder: Path, config: ValkeyConfig | None = None) -> None:
        self.folder = folder.resolve()
        self.config = config or ValkeyConfig()
        self._users_lock: int | None = None

    def acquire(self) -> Path:
        """Socket path of a server that answers, started here if none runs.

        Raises StoreError with the reason. May be called again when the server was lost.
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
        """Stop using the server; if no other process uses it, wait until it has stopped."""
        if self._users_lock is None:
            return
        os.close(self._users_lock)
        self._users_lock = None
        if not self.folder.exists():  # removed while the server ran, such as a temporary folder
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
            # An exclusive lock fails, a shared one succeeds: other users. Both fail: the guard.
            is_free = _try_lock(descriptor, fcntl.LOCK_EX)
            return not is_free and _try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def _lock_as_user(self) -> None:
        if self._users_lock is not None:
            return
        users_lock = os.open(self.folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
        # Locked exclusively only while the guard stops the server of earlier users.
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
        """None if the server answers, else the error."""
        try:
            with _client(self._socket_path()) as client:
                client.ping()
        except (redis.RedisError, OSError) as error:
            return str(error)
        return None

    def _socket_path(self) -> Path:
        return Path(os.fsdecode((self.folder / "address").read_bytes()))

    def _spawn(self, server_lock: int) -> "subprocess.Popen[bytes]":
        """Start the server under its guard; both inherit the descriptor of server.lock."""
        self._remove_socket()
        socket_path = _choose_socket_path(self.folder)
        replace_file(self.folder / "address", os.fsencode(socket_path))
        options = {
            "port": "0",
            "unixsocket": str(socket_path),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "loglevel": "warning",
            # Each write is in the file before it is answered, and on the disk within 2 s. With
            # "always" readers wait for the disk too: 2.4 s for 171 keys, measured on a busy one.
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory": f"{self.config.max_memory_mb}mb",
            "maxmemory-policy": "volatile-lru",
        }
        guard = [sys.executable, "-I", "-S", str(Path(__file__).with_name("valkey_guard.py"))]
        server = [
            str(valkey_binary()),
            *(p for key, value in options.items() for p in (f"--{key}", value)),
        ]
        with open_private(self.folder / "valkey.log", "ab") as log_file:
            process = subprocess.Popen(  # noqa: S603
                [*guard, str(self.folder / "users.lock"), str(server_lock), *server],
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=subprocess.STDOUT,
                pass_fds=(server_lock,),
                # Not stopped by Ctrl-C in the terminal: its users store their last values first.
                start_new_session=True,
            )
        # Reaps it when it ends: no zombie is left.
        threading.Thread(target=process.wait, name="valkey-wait", daemon=True).start()
        return process

    def _remove_socket(self) -> None:
        """Remove the socket that a stopped or killed server leaves, and its temporary folder."""
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


def _choose_socket_path(folder: Path) -> Path:
    """In the data folder if that can hold a socket, else in a new private folder of /tmp.

    The path of a data folder may be too long, and some shared folders of containers and virtual
    machines hold no sockets.
    """
    path = folder / "valkey.sock"
    if fits_unix_socket(path):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.bind(str(path))
            path.unlink()
            return path
    # /tmp, since TMPDIR may be too long as well.
    return Path(tempfile.mkdtemp(prefix="firstpass-", dir="/tmp")) / "valkey.sock"


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int | None]:
    """Descriptor of the exclusively locked file; None if another process holds the lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor if _try_lock(descriptor, fcntl.LOCK_EX) else None
    finally:
        # Closes this copy only: a server that inherited the descriptor keeps the lock.
        os.close(descriptor)
