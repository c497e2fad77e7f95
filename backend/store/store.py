"""The Redis connection: REDIS_URL, or the embedded Valkey. Its loss stops nothing.

A store that is dead or slow costs one short time-out; then all calls are refused at once, as
misses, while a thread looks for it with growing pauses. One warning per outage, one line when
it is back.
"""

import atexit
import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import redis
from redis.client import Pipeline

from backend.errors import StoreError
from backend.store.servers import EmbeddedServer, RedisServer, Server, ServerConfig, inspect_server

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class StoreConfig:
    first_pause_s: float = 1.0  # before the first look for a lost store; doubled after each
    longest_pause_s: float = 30.0
    steady_s: float = 60.0  # up for so long, and the next outage starts with the first pause
    server: ServerConfig = field(default_factory=ServerConfig)


def open_store(redis_url: str | None, data_dir: Path, config: StoreConfig | None = None) -> "Store":
    """The store of REDIS_URL, or without one the embedded server of this data folder.

    Returns a store that is down, and heals by itself, when no server answers now.
    Raises SettingsError when the URL is none of Redis.
    """
    config = config or StoreConfig()
    if redis_url:
        return Store(RedisServer(redis_url, config.server), config)
    return Store(EmbeddedServer(data_dir, config.server), config)


class Store:
    """Bytes under keys that may be lost at any time, and commands for what must not be.

    `get_many` and `set_many` never fail: without a store all is missing. `run` raises StoreError
    for callers who have another place to go. Safe between threads, and after a fork.
    """

    def __init__(self, server: Server, config: StoreConfig) -> None:
        self._server = server
        self._config = config
        self._client: redis.Redis | None = None
        self._server_info: dict[str, Any] = {"version": None, "advice": []}
        self._outage: str | None = None
        self._rejections: dict[str, str] = {}  # purpose -> why the server that is up said no
        self._pause_s = config.first_pause_s
        self._up_since_s = -math.inf
        self._on_reconnect: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._reconnector: threading.Thread | None = None
        atexit.register(self.close)
        try:
            self._connect()
        except (StoreError, redis.RedisError, OSError) as error:
            self._mark_lost(error)

    @property
    def client(self) -> redis.Redis:
        """The client itself, for commands inside `run`; StoreError while the store is down."""
        if self._outage is not None or self._client is None:
            self._start_reconnecting()
            raise StoreError(self._outage or "The store is closed.")
        return self._client

    def is_up(self) -> bool:
        return self._outage is None and not self._closed.is_set()

    def describe(self) -> dict[str, Any]:
        """For /ready and people: kind, address, up, version, degraded (why, or None), advice."""
        reasons = [self._outage] if self._outage else list(self._rejections.values())
        return {
            "kind": self._server.kind,
            "address": self._server.address,
            "up": self.is_up(),
            "degraded": " ".join(reasons) or None,
            **self._server_info,
        }

    def on_reconnect(self, action: Callable[[], None]) -> None:
        """Call this each time a lost store is back, in the thread that found it."""
        self._on_reconnect.append(action)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """One MGET, in the order of the keys; None for what is missing."""
        if not keys:
            return []
        try:
            found = self.run("read the cache", lambda client: client.mget(keys))
        except StoreError:
            return [None] * len(keys)
        return list(found)  # type: ignore[arg-type]

    def set_many(self, values: Mapping[str, bytes], ttl_s: int | None = None) -> None:
        """One pipelined write. The embedded server evicts only what has a time to live."""

        def write(client: redis.Redis) -> None:
            pipeline = client.pipeline(transaction=False)
            for key, value in values.items():
                pipeline.set(key, value, ex=ttl_s)
            execute_pipeline(pipeline)

        if values:
            with contextlib.suppress(StoreError):
                self.run("write the cache", write)

    def remove(self, keys: Sequence[str]) -> None:
        """Forget these keys, if the store is there to do it."""
        if keys:
            with contextlib.suppress(StoreError):
                self.run("write the cache", lambda client: client.delete(*keys))

    def run(self, purpose: str, action: Callable[[redis.Redis], T]) -> T:
        """Return what the action makes of the client; StoreError, at once while the store is down.

        The purpose ("queue a correction") stands in the log when the server refuses it.
        """
        client = self.client
        try:
            value = action(client)
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            raise self._mark_lost(error) from error
        except redis.RedisError as error:
            raise self._record_rejection(purpose, error) from error
        if self._rejections.pop(purpose, None):
            log.info("The store at %s can %s again.", self._server.address, purpose)
        return value

    def close(self) -> None:
        """Stop looking for a lost store; stop the embedded server if nobody else uses it."""
        atexit.unregister(self.close)
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            client, self._client = self._client, None
        if self._reconnector is not None:
            # It may be starting the embedded server, which nobody would stop.
            self._reconnector.join(timeout=self._config.server.valkey.start_timeout_s)
        if client is not None:
            client.close()
        self._server.release()

    def _connect(self) -> None:
        client = self._server.connect()
        client.ping()
        server_info = inspect_server(client, self._server)
        with self._lock:
            if self._closed.is_set():
                return
            previous, self._client, self._server_info = self._client, client, server_info
            self._up_since_s = time.monotonic()
            self._outage = None
        if previous is not None and previous is not client:
            previous.close()

    def _mark_lost(self, error: Exception) -> StoreError:
        reason = self._outage_message(error)
        with self._lock:
            is_new = self._outage is None and not self._closed.is_set()
            self._outage = reason
            if is_new:
                was_steady = time.monotonic() - self._up_since_s > self._config.steady_s
                longer_s = min(2 * self._pause_s, self._config.longest_pause_s)
                self._pause_s = self._config.first_pause_s if was_steady else longer_s
        if is_new:
            log.warning("%s Predictions go on without the store.", reason)
        self._start_reconnecting()
        return StoreError(reason)

    def _record_rejection(self, purpose: str, error: redis.RedisError) -> StoreError:
        reason = f"The store at {self._server.address} refuses to {purpose}: {error}."
        if purpose not in self._rejections:
            log.warning("%s", reason)
        self._rejections[purpose] = reason
        return StoreError(reason)

    def _start_reconnecting(self) -> None:
        """Have one thread look for the lost store; a forked process needs its own."""
        with self._lock:
            if self._closed.is_set() or (
                self._reconnector is not None and self._reconnector.is_alive()
            ):
                return
            self._reconnector = threading.Thread(
                target=self._reconnect, name="store-reconnector", daemon=True
            )
            self._reconnector.start()

    def _reconnect(self) -> None:
        lost_s = time.monotonic()
        while not self._closed.wait(self._pause_s):
            try:
                self._connect()
            except (StoreError, redis.RedisError, OSError) as error:
                self._outage = self._outage_message(error)
                self._pause_s = min(2 * self._pause_s, self._config.longest_pause_s)
                continue
            log.info(
                "The store at %s is back after %.0f s.",
                self._server.address,
                time.monotonic() - lost_s,
            )
            for action in self._on_reconnect:
                action()
            with self._lock:
                if self._outage is None:
                    self._reconnector = None
                    return

    def _outage_message(self, error: Exception) -> str:
        """A sentence with the cure."""
        address = self._server.address
        if isinstance(error, StoreError):
            return str(error)
        if isinstance(error, redis.AuthenticationError | redis.exceptions.NoPermissionError):
            return (
                f"Redis at {address} refuses the login ({error}). Put the user and password "
                "that it knows into REDIS_URL: redis://user:password@host:port/db."
            )
        if isinstance(error, redis.TimeoutError):
            return f"The store at {address} is too slow to use or hangs ({error})."
        return f"The store at {address} cannot be reached ({error}): see that it runs."


def execute_pipeline(pipeline: Pipeline) -> list[Any]:
    """Its answers; raises the first error in the server's words alone.

    redis-py's own raising quotes the command, and so the bytes of a value.
    """
    answers = pipeline.execute(raise_on_error=False)
    for answer in answers:
        if isinstance(answer, redis.RedisError):
            raise answer
    return answers
