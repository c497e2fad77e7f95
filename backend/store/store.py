"""A Redis connection that callers can lose: cache reads become misses, commands raise StoreError.

The first call to a dead or slow server waits for one short timeout. From then on calls fail at
once, while a thread reconnects with exponential backoff. Each outage is logged once, and once more
when it ends.
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
from backend.plain_thread import PlainThread
from backend.store.rejections import Rejections
from backend.store.servers import (
    EmbeddedServer,
    RedisServer,
    Server,
    ServerConfig,
    ServerInfo,
    StoreState,
    inspect_server,
    outage_message,
)

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class StoreConfig:
    first_pause_s: float = 1.0  # before the first attempt to reconnect; doubled after each
    longest_pause_s: float = 30.0
    steady_s: float = 60.0  # after this time up, the next outage starts with the first pause
    server: ServerConfig = field(default_factory=ServerConfig)


def open_store(redis_url: str | None, data_dir: Path, config: StoreConfig | None = None) -> "Store":
    """The store at `redis_url`, or without a URL the embedded server of the data folder.

    If no server answers now, the store is down and reconnects by itself later.
    Raises SettingsError for a URL that is not one of Redis.
    """
    config = config or StoreConfig()
    if redis_url:
        return Store(RedisServer(redis_url, config.server), config)
    return Store(EmbeddedServer(data_dir, config.server), config)


class Store:
    """`get_many`, `set_many` and `remove` for caches, `run` for what must not be lost.

    The first three never raise: while the store is down every key is missing. `run` raises
    StoreError. Safe between threads, and after a fork.
    """

    def __init__(self, server: Server, config: StoreConfig) -> None:
        self._server = server
        self._config = config
        self._client: redis.Redis | None = None
        self._server_info: ServerInfo = {"version": None, "advice": []}
        self._outage: str | None = None
        self._rejections = Rejections(server.address)
        self._pause_s = config.first_pause_s
        self._up_since_s = -math.inf
        self._on_reconnect: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._reconnector: PlainThread | None = None
        atexit.register(self.close)
        try:
            self._connect()
        except (StoreError, redis.RedisError, OSError) as error:
            self._mark_lost(error)

    @property
    def client(self) -> redis.Redis:
        """The redis-py client; raises StoreError while the store is down."""
        if self._outage is not None or self._client is None:
            self._start_reconnecting()
            raise StoreError(self._outage or "The store is closed.")
        return self._client

    def is_up(self) -> bool:
        return self._outage is None and not self._closed.is_set()

    def describe(self) -> StoreState:
        """The state for /ready and messages."""
        if self.is_up() and (client := self._client) is not None:
            try:
                self._rejections.review(client)
            except (redis.RedisError, OSError) as error:
                self._mark_lost(error)
        reasons = [self._outage] if self._outage else self._rejections.sentences()
        return {
            "kind": self._server.kind,
            "address": self._server.address,
            "up": self.is_up(),
            "degraded": " ".join(reasons) or None,
            **self._server_info,
        }

    def on_reconnect(self, action: Callable[[], None]) -> None:
        """Call `action` after each reconnection, in the thread that reconnects."""
        self._on_reconnect.append(action)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Values in the order of the keys, by one MGET; None for a missing key."""
        if not keys:
            return []
        try:
            found = self.run("read the cache", lambda client: client.mget(keys))
        except StoreError:
            return [None] * len(keys)
        # redis-py returns text only where decode_responses is on.
        return [value if isinstance(value, bytes) else None for value in found]

    def set_many(self, values: Mapping[str, bytes], ttl_s: int | None = None) -> None:
        """One pipelined write. Keys without `ttl_s` are never evicted by the embedded server."""

        def write(client: redis.Redis) -> None:
            pipeline = client.pipeline(transaction=False)
            for key, value in values.items():
                pipeline.set(key, value, ex=ttl_s)
            execute_pipeline(pipeline)

        if values:
            with contextlib.suppress(StoreError):
                self.run("write the cache", write)

    def remove(self, keys: Sequence[str]) -> None:
        """Delete keys; does nothing while the store is down."""
        if keys:
            with contextlib.suppress(StoreError):
                self.run("write the cache", lambda client: client.delete(*keys))

    def run(self, purpose: str, action: Callable[[redis.Redis], T]) -> T:
        """`action(client)`; raises StoreError, without a wait while the store is down.

        `purpose`, such as "queue a correction", completes "the store refuses to …" in the log.
        """
        client = self.client
        try:
            value = action(client)
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            raise self._mark_lost(error) from error
        except redis.RedisError as error:
            raise StoreError(self._rejections.add(purpose, error)) from error
        self._rejections.remove(purpose)
        return value

    def close(self) -> None:
        """Stop reconnecting; stop the embedded server if no other process uses it."""
        atexit.unregister(self.close)
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            client, self._client = self._client, None
        if self._reconnector is not None:
            # It may be starting the embedded server, which must be stopped below.
            self._reconnector.join(self._config.server.valkey.start_timeout_s)
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
        """Note an outage, log it if it is new, and start reconnecting; the error to raise."""
        reason = outage_message(error, self._server.address)
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

    def _start_reconnecting(self) -> None:
        """Start the thread that reconnects, unless it runs; a forked process starts its own."""
        with self._lock:
            is_running = self._reconnector is not None and self._reconnector.is_alive()
            if is_running or self._closed.is_set():
                return
            with contextlib.suppress(RuntimeError):  # no memory for a thread: the next call tries
                self._reconnector = PlainThread(self._reconnect)

    def _reconnect(self) -> None:
        lost_s = time.monotonic()
        while not self._closed.wait(self._pause_s):
            try:
                self._connect()
            except (StoreError, redis.RedisError, OSError) as error:
                self._outage = outage_message(error, self._server.address)
                self._pause_s = min(2 * self._pause_s, self._config.longest_pause_s)
                continue
            down_s = time.monotonic() - lost_s
            log.info("The store at %s is back after %.0f s.", self._server.address, down_s)
            for action in self._on_reconnect:
                action()
            with self._lock:
                if self._outage is None:
                    self._reconnector = None
                    return


def execute_pipeline(pipeline: Pipeline) -> list[Any]:
    """Answers of all commands; raises the first error without the command that it is about.

    redis-py's own exception quotes the command, with all bytes of its value.
    """
    answers = pipeline.execute(raise_on_error=False)
    for answer in answers:
        if isinstance(answer, redis.RedisError):
            raise answer
    return answers
