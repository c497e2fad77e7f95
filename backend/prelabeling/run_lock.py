"""A lock in the store by which a second run on a project notices the first."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import redis
from redis.exceptions import LockError
from redis.lock import Lock

from backend.errors import OutOfMemory, SettingsError, StoreError
from backend.plain_thread import PlainThread
from backend.store.keys import prelabel_lock_key
from backend.store.store import Store

EXPIRY_S = 15.0  # after which the lock of a killed run is free


class RunLock:
    """The lock of one project; renewed by a thread from `acquire` to `release`."""

    def __init__(self, store: Store, project: str, expiry_s: float = EXPIRY_S) -> None:
        self._store, self._project, self._expiry_s = store, project, expiry_s
        self._key = prelabel_lock_key(project)
        self._holder = (
            f"process {os.getpid()} on {socket.gethostname()}, since {time.strftime('%H:%M:%S')}"
        )
        self._is_taken = False  # by another run
        self._is_done = threading.Event()
        self._renewer: PlainThread | None = None
        self._renewing = threading.Lock()

    def acquire(self, say: Callable[[str], None]) -> None:
        """Wait until the lock of a killed run has expired, which `say` tells.

        Raises SettingsError if it is held by a run that goes on, StoreError without a store,
        OutOfMemory without memory for the thread.
        """
        if not self.try_acquire():
            wait_s = 1.2 * self._expiry_s
            say(f"Another run has project {self._project}: is it over within {wait_s:.0f} s?")
            if not self._try_for(wait_s):
                (holder,) = self._store.get_many([self._key])
                raise SettingsError(
                    f"Project {self._project} is being prelabeled already "
                    f"({(holder or b'it has just ended').decode()}): wait for that run, or stop it."
                )
            self._begin_to_renew()

    def try_acquire(self) -> bool:
        """Whether it was free, and is held now. Raises StoreError and OutOfMemory as `acquire`."""
        is_held = self._try_for(0)
        if is_held:
            self._begin_to_renew()
        return is_held

    def is_lost(self) -> bool:
        """Whether another run took it, while the store was away.

        Also renews it if there was no memory for the thread that does so: a run that asks more
        often than the lock expires keeps it.
        """
        if self._renewer is not None and not self._renewer.is_alive():
            self._renew()
            with contextlib.suppress(RuntimeError):
                self._renewer = PlainThread(self._go_on_renewing)
        return self._is_taken

    def release(self) -> None:
        self._is_done.set()
        with self._renewing, contextlib.suppress(StoreError, LockError):
            self._store.run("unlock the project", lambda client: self._lock(client).release())

    def _try_for(self, wait_s: float) -> bool:
        def acquire(client: redis.Redis) -> bool:
            return bool(
                self._lock(client).acquire(token=self._holder, blocking_timeout=wait_s, sleep=0.1)
            )

        return self._store.run("lock the project", acquire)

    def _lock(self, client: redis.Redis) -> Lock:
        """The lock as we hold it; its client is another one after the store was lost."""
        lock: Lock = client.lock(self._key, timeout=self._expiry_s, thread_local=False)
        lock.local.token = self._holder.encode()
        return lock

    def _begin_to_renew(self) -> None:
        try:
            self._renewer = PlainThread(self._go_on_renewing)
        except RuntimeError as error:
            self.release()
            raise OutOfMemory(
                f"There was no memory for the thread that keeps project {self._project} locked: "
                "give the machine more, or try again when it has some."
            ) from error

    def _go_on_renewing(self) -> None:
        while not self._is_done.wait(self._expiry_s / 3):
            self._renew()

    def _renew(self) -> None:
        with self._renewing, contextlib.suppress(StoreError):  # or when the store is back
            if not self._is_done.is_set():  # a lock that was released would be taken again
                self._store.run("lock the project", self._reacquire)

    def _reacquire(self, client: redis.Redis) -> None:
        lock = self._lock(client)
        try:
            lock.reacquire()
        except LockError:  # it has expired while the store was away, or nothing renewed it
            self._is_taken = not lock.acquire(token=self._holder, blocking=False)


@contextlib.contextmanager
def locked(lock: RunLock, say: Callable[[str], None]) -> Iterator[RunLock]:
    lock.acquire(say)
    try:
        yield lock
    finally:
        lock.release()
