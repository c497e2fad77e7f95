"""The two servers that a store can use: a Redis at REDIS_URL, or the embedded Valkey."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from backend.errors import SettingsError, StoreError
from backend.setting_types import check_redis_url
from backend.store.embedded_valkey import SharedValkey, ValkeyConfig


@dataclass(frozen=True)
class ServerConfig:
    connect_timeout_s: float = 0.25
    read_timeout_s: float = 0.5  # between the bytes of an answer; one request waits for it
    valkey: ValkeyConfig = field(default_factory=ValkeyConfig)


class Server(Protocol):
    """Makes clients. `connect` raises StoreError, RedisError or OSError."""

    kind: str
    address: str  # for messages, without the password

    def connect(self) -> redis.Redis: ...
    def release(self) -> None: ...


class RedisServer:
    """A Redis or Valkey that runs independently of Firstpass."""

    kind = "redis"

    def __init__(self, url: str, config: ServerConfig) -> None:
        try:
            check_redis_url(url)
        except ValueError:
            # Without the URL and redis-py's error: both may contain the password.
            raise SettingsError(
                "REDIS_URL is no address of a Redis. Needed is redis://user:password@host:port/db "
                "(user and password may be left out), rediss://… for TLS, or "
                "unix:///path/to/socket; special characters of a password percent-encoded."
            ) from None
        self._client = redis.Redis.from_url(url, **_client_options(config))
        where = self._client.connection_pool.connection_kwargs
        self.address = where.get("path") or (
            f"{where.get('host', 'localhost')}:{where.get('port', 6379)}/{where.get('db', 0)}"
        )

    def connect(self) -> redis.Redis:
        return self._client

    def release(self) -> None:
        """Nothing: it runs on."""


class EmbeddedServer:
    """The Valkey of a data folder, shared by all processes that use the folder."""

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
        # One immediate retry, for pooled connections to a server that has restarted since.
        # redis-py's default retries would block a request for seconds.
        "retry": Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        "protocol": 2,  # RESP2: the same types from every redis-py since 5
    }


class ServerInfo(TypedDict):
    version: str | None
    advice: list[str]  # sentences on settings that can lose corrections


class StoreState(ServerInfo):
    """State of a store, as /ready shows it."""

    kind: str  # "redis" or "embedded"
    address: str  # without the password
    up: bool
    degraded: str | None  # why it is down or refuses commands


def inspect_server(client: redis.Redis, server: Server) -> ServerInfo:
    """Version and advice, from the server's INFO."""
    try:
        info: dict[str, Any] = client.info()
    except redis.ResponseError:  # this user has no permission for INFO
        return {"version": None, "advice": []}
    advice = []
    if server.kind == "redis" and not info.get("aof_enabled"):
        advice.append("Redis keeps no append-only file: its crash loses the latest corrections.")
    if str(info.get("maxmemory_policy", "")).startswith("allkeys"):
        advice.append(
            "Redis may evict what was learned: set maxmemory-policy to noeviction or volatile-lru."
        )
    return {"version": info.get("valkey_version") or info.get("redis_version"), "advice": advice}


def outage_message(error: Exception, address: str) -> str:
    """Why the server at `address` cannot be used, and the remedy, as one or two sentences."""
    if isinstance(error, StoreError):
        return str(error)
    reason = server_reason(error)
    if isinstance(error, redis.AuthenticationError | redis.exceptions.NoPermissionError):
        return (
            f"Redis at {address} refuses the login ({reason}). Put the user and password "
            "that it knows into REDIS_URL: redis://user:password@host:port/db."
        )
    if isinstance(error, redis.TimeoutError):
        return f"The store at {address} is too slow to use or hangs ({reason})."
    return f"The store at {address} cannot be reached ({reason}): see that it runs."


def server_reason(error: Exception) -> str:
    """The server's own words, without the arguments that it quotes of a command it does not know.

    Of AUTH, where an administrator renamed it, they are the login.
    """
    return re.split(r",? with args beginning with", str(error))[0]
