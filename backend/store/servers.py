"""Where the store lies: somebody's Redis, or the embedded Valkey of the data folder."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from backend.errors import SettingsError
from backend.store.embedded_valkey import SharedValkey, ValkeyConfig


@dataclass(frozen=True)
class ServerConfig:
    connect_timeout_s: float = 0.25
    read_timeout_s: float = 0.5  # of each answer's next bytes: a request waits so long, once
    valkey: ValkeyConfig = field(default_factory=ValkeyConfig)


class Server(Protocol):
    """Where the store lies: makes a client, or raises what the store puts into words."""

    kind: str
    address: str  # for people: never with a password

    def connect(self) -> redis.Redis: ...
    def release(self) -> None: ...


class RedisServer:
    """A Redis or Valkey that somebody else runs."""

    kind = "redis"

    def __init__(self, url: str, config: ServerConfig) -> None:
        try:
            self._client = redis.Redis.from_url(url, **_client_options(config))
        except ValueError:
            # Neither the URL nor the error goes on: both may show the password.
            raise SettingsError(
                "REDIS_URL is no address of a Redis. Needed is redis://user:password@host:port/db "
                "(user and password may be left out), rediss://… for TLS, or "
                "unix:///path/to/socket; special characters of a password percent-encoded."
            ) from None
        where = self._client.connection_pool.connection_kwargs
        self.address = where.get("path") or (
            f"{where.get('host', 'localhost')}:{where.get('port', 6379)}/{where.get('db', 0)}"
        )

    def connect(self) -> redis.Redis:
        return self._client

    def release(self) -> None:
        """It is not ours to stop."""


class EmbeddedServer:
    """The Valkey of the data folder, shared by all processes that work there."""

    kind = "embedded"

    def __init__(self, data_dir: Path, config: ServerConfig) -> None:
        self._valkey = SharedValkey(data_dir / "valkey", config.valkey)
        self._config = config
        self.address = str(self._valkey.folder)

    def connect(self) -> redis.Redis:
        socket_path = self._valkey.acquire()
        return redis.Redis(unix_socket_path=str(socket_path), **_client_options(self._config))

    def release(self) -> None:
        self._valkey.release()


def _client_options(config: ServerConfig) -> dict[str, Any]:
    return {
        "socket_connect_timeout": config.connect_timeout_s,
        "socket_timeout": config.read_timeout_s,
        # Once and at once, for a pooled connection that a restarted server has dropped;
        # redis-py's own retries would hold a request for seconds.
        "retry": Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        "protocol": 2,  # answers of one shape from every redis-py since 5
    }


def inspect_server(client: redis.Redis, server: Server) -> dict[str, Any]:
    """The server's version, and what of its set-up could cost corrections."""
    try:
        info: dict[str, Any] = client.info()
    except redis.ResponseError:  # this user may not ask
        return {"version": None, "advice": []}
    advice = []
    if server.kind == "redis" and not info.get("aof_enabled"):
        advice.append("Redis keeps no append-only file: its crash loses the latest corrections.")
    if str(info.get("maxmemory_policy", "")).startswith("allkeys"):
        advice.append(
            "Redis may evict what was learnt: set maxmemory-policy to noeviction or volatile-lru."
        )
    return {"version": info.get("valkey_version") or info.get("redis_version"), "advice": advice}
