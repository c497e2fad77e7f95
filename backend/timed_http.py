"""HTTP exchanges that are over by a deadline, whatever the other side sends.

The timeout of `requests` is that of one read: a host that sends a byte a second, or without end
headers, chunks or "100 Continue", holds its reader for ever. Here a `Deadline` covers names,
connecting, TLS, headers, redirects and bodies: when it passes, its thread's connections are shut
down.
"""

import _thread
import contextlib
import http.client
import io
import socket
import threading
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

MAX_LINE_BYTES = 65536  # of a header, or the size of a chunk; as http.client's own limit
CONNECT_TIMEOUT_S = 60.0  # where no other is given
MIN_TIMEOUT_S = 0.001  # a socket's timeout of 0 would mean not to wait at all

_innermost = threading.local()
_all_ended = threading.Event()


class Deadline:
    """A context in which this thread's `TimedSession`s are cut off after `timeout_s`.

    Within another one, the earlier of both counts.
    """

    def __init__(self, timeout_s: float) -> None:
        self.at_s = time.monotonic() + timeout_s
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._left = threading.Event()

    @property
    def left_s(self) -> float:
        return max(self.at_s - time.monotonic(), 0.0)

    @property
    def is_over(self) -> bool:
        return not self.left_s

    def __enter__(self) -> "Deadline":
        self._outer = current_deadline()
        if self._outer is not None:
            self.at_s = min(self.at_s, self._outer.at_s)
        _running.add(self)
        if _all_ended.is_set():
            self.end()
        _innermost.deadline = self
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        _running.discard(self)
        _innermost.deadline = self._outer

    def end(self) -> None:
        """Let it pass now."""
        self.at_s = time.monotonic()
        self._shut_down()

    def watch(self, connected: socket.socket) -> None:
        """Shut this socket down at the deadline."""
        with self._lock:
            is_first = not self._sockets
            self._sockets.append(connected)
        if is_first:
            # Not a Thread, whose start waits for ever for one that finds no memory when it begins.
            _thread.start_new_thread(self._shut_down_in_time, ())
        if self.is_over:
            self._shut_down()

    def _shut_down_in_time(self) -> None:
        if not self._left.wait(self.left_s):
            self._shut_down()

    def _shut_down(self) -> None:
        with self._lock:
            for one in self._sockets:
                with contextlib.suppress(OSError):
                    # Not SSLSocket's, which also takes the TLS away from the reading thread.
                    socket.socket.shutdown(one, socket.SHUT_RDWR)


_running: set[Deadline] = set()


def end_all_exchanges() -> None:
    """Let all deadlines pass, and those to come, so that a process that stops waits for no host."""
    _all_ended.set()
    for one in list(_running):
        one.end()


def have_all_ended() -> bool:
    """Whether the process stops."""
    return _all_ended.is_set()


def current_deadline() -> Deadline | None:
    """The innermost deadline of this thread."""
    found: Deadline | None = getattr(_innermost, "deadline", None)
    return found


def left_s(default_s: float) -> float:
    """The time until this thread's deadline, at least MIN_TIMEOUT_S; `default_s` without one."""
    deadline = current_deadline()
    return default_s if deadline is None else max(deadline.left_s, MIN_TIMEOUT_S)


def look_up(host: str, port: int, timeout_s: float) -> list[tuple[Any, ...]]:
    """The addresses of a host as by `socket.getaddrinfo`, which knows no timeout.

    Raises OSError; TimeoutError after `timeout_s`, when a thread is left to the system's resolver.
    """
    answer: list[list[tuple[Any, ...]] | OSError | UnicodeError] = []
    has_answered = threading.Event()

    def ask() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer.append(error)
        has_answered.set()

    _thread.start_new_thread(ask, ())  # as in `Deadline.watch`
    if not has_answered.wait(timeout_s):
        raise TimeoutError(f"no address of {host} was found within {timeout_s:.1f} s")
    if isinstance(answer[0], UnicodeError):
        raise OSError(f"{host!r} is no name of a host") from answer[0]
    if isinstance(answer[0], OSError):
        raise answer[0]
    return answer[0]


def connect(connection: HTTPConnection) -> socket.socket:
    """A connected socket, by the first address that answers; each gets its part of the time."""
    timeout, deadline = connection.timeout, current_deadline()
    timeout_s = timeout if isinstance(timeout, int | float) else CONNECT_TIMEOUT_S
    until_s = time.monotonic() + min(timeout_s, left_s(timeout_s))
    host, port = getattr(connection, "_dns_host", connection.host), connection.port or 80
    error: OSError = OSError("it has no address")
    try:
        found = look_up(host, port, until_s - time.monotonic())
        for tried, (family, kind, protocol, _, address) in enumerate(found):
            part_s = (until_s - time.monotonic()) / (len(found) - tried)
            opened = socket.socket(family, kind, protocol)
            try:
                for option in connection.socket_options or ():
                    opened.setsockopt(*option)
                opened.settimeout(max(part_s, MIN_TIMEOUT_S))
                opened.connect(address)
                opened.settimeout(max(until_s - time.monotonic(), MIN_TIMEOUT_S))  # of TLS
                if deadline is not None:
                    deadline.watch(opened)  # a proxy's answer; TLS takes another object
                return opened
            except OSError as failure:
                opened.close()
                error = failure
    except OSError as failure:
        error = failure
    if isinstance(error, TimeoutError):
        raise ConnectTimeoutError(connection, f"Connection to {host} timed out") from error
    raise NewConnectionError(connection, f"No connection to {host}: {error}") from error


class _ShortLines(io.BufferedReader):
    """Lines end after MAX_LINE_BYTES, since urllib3 reads the sizes of chunks without a limit."""

    def readline(self, size: int | None = -1, /) -> bytes:
        is_limited = size is not None and 0 <= size <= MAX_LINE_BYTES
        return super().readline(size if is_limited else MAX_LINE_BYTES + 1)


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp: Any = _ShortLines(self.fp.detach())


def _watch(connection: HTTPConnection) -> None:
    deadline, connected = current_deadline(), connection.sock
    if deadline is not None and connected is not None:
        deadline.watch(connected)


class TimedHTTPConnection(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return connect(self)

    def request(self, *args: Any, **options: Any) -> None:
        if self.sock is None:
            self.connect()
        _watch(self)
        super().request(*args, **options)


class TimedHTTPSConnection(TimedHTTPConnection, HTTPSConnection):
    """The same over TLS."""


class TimedHTTPPool(HTTPConnectionPool):
    ConnectionCls = TimedHTTPConnection


class TimedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = TimedHTTPSConnection


class TimedAdapter(HTTPAdapter):
    """Transport adapter whose connections obey the deadline of the thread that uses them."""

    pools: dict[str, Any] = {"http": TimedHTTPPool, "https": TimedHTTPSPool}  # noqa: RUF012

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = dict(self.pools)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager: Any = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = dict(TimedAdapter.pools)
        return manager


class TimedSession(requests.Session):
    def __init__(self, adapter: type[TimedAdapter] = TimedAdapter) -> None:
        super().__init__()
        for scheme in ("http://", "https://"):
            self.mount(scheme, adapter())
