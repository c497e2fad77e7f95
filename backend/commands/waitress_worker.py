"""A gunicorn worker whose connections are served by waitress: no client can keep a thread waiting.

gunicorn keeps the process: it restarts it, and passes signals on. Waitress reads requests and
writes answers in one loop; threads get whole requests alone. What it lacks is here: deadlines for
clients that send or read slowly, and room for new connections when there are too many.
"""

import os
import socket
import time
from collections import Counter

import orjson
from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher

from backend.client_guard import declare_guarded
from backend.commands.open_files import raise_open_files
from backend.concurrency import Concurrency

HEADERS_WITHIN_S = 10.0  # of the first byte; and the first byte, of the connection
BODY_GRACE_S = 20.0  # after which a body must have come at MIN_BODY_BYTES_PER_S
MIN_BODY_BYTES_PER_S = 20_000
UNREAD_WITHIN_S = 60.0  # an answer of which nothing is taken for so long is given up
IDLE_WITHIN_S = 75.0  # between requests
DISCARDING_FOR_S = 5.0
MAX_HEADER_BYTES = 65536
MAX_CONNECTIONS = 2000
ACCEPTED_AT_ONCE = 100
CLOCK_DRIFT_S = 1.0  # between two looks at the clock
LINGER_S = 2.0  # for requests that are on their way when the server stops


class JsonErrorTask(ErrorTask):
    """An answer to what is no HTTP, or too large, in the form of all our errors."""

    def execute(self) -> None:
        error = self.request.error
        message = f"{error.reason}: {error.body}".strip()
        body = orjson.dumps({"error": "http", "message": message})
        self.status, self.content_length = f"{error.code} {error.reason}", len(body)
        self.response_headers += [("Content-Type", "application/json")]
        self.set_close_on_finish()
        self.write(body)


class TimedChannel(HTTPChannel):
    """A connection that knows since when its request has been on its way."""

    error_task_class = JsonErrorTask
    partial_since_s = 0.0  # on time.time(), as waitress' own times are

    has_error = False  # a request that is none, or too large
    is_discarding = False  # the answer to it is sent; what still comes is thrown away

    def received(self, data: bytes) -> bool:
        before = self.request
        went_on: bool = super().received(data)
        if self.request is not None and self.request is not before:
            self.partial_since_s = time.time()
        self.has_error = self.has_error or any(one.error for one in self.requests)
        return went_on

    def readable(self) -> bool:
        return self.is_discarding or bool(super().readable())

    def writable(self) -> bool:
        return not self.is_discarding and bool(super().writable())

    def handle_read(self) -> None:
        if not self.is_discarding:
            super().handle_read()
            return
        try:
            self.recv(self.adj.recv_bytes)  # at the end of it, closes
        except OSError:
            self.handle_close()

    def handle_close(self) -> None:
        """Close; after an error first the sending side, or its answer is lost with unread data."""
        if self.has_error and not self.is_discarding and self.connected:
            self.is_discarding, self.partial_since_s = True, time.time()
            try:
                self.socket.shutdown(socket.SHUT_WR)
                return
            except OSError:  # the client has gone
                pass
        super().handle_close()

    def follow_clock(self, moved_s: float, now_s: float) -> None:
        """Keep the times noted for a clock that was set: their ages, or less if it was set back."""
        for name in ("creation_time", "last_activity", "partial_since_s"):
            setattr(self, name, min(getattr(self, name) + max(moved_s, 0.0), now_s))

    def is_working(self) -> bool:
        return bool(self.requests)

    def is_late(self, now_s: float) -> bool:
        """Whether the client takes longer than it may; never while its request is answered."""
        if self.is_discarding:
            return now_s - self.partial_since_s > DISCARDING_FOR_S
        if self.is_working():
            return False
        if self.total_outbufs_len:
            return bool(now_s - self.last_activity > UNREAD_WITHIN_S)
        if self.request is None:
            is_new = self.last_activity == self.creation_time
            within_s = HEADERS_WITHIN_S if is_new else IDLE_WITHIN_S
            return bool(now_s - self.last_activity > within_s)
        age_s = now_s - self.partial_since_s
        if not self.request.headers_finished:
            return age_s > HEADERS_WITHIN_S
        needed = max(age_s - BODY_GRACE_S, 0) * MIN_BODY_BYTES_PER_S
        return bool(self.request.body_bytes_received < needed)


class Server(TcpWSGIServer):
    """Waitress' loop for one listening socket."""

    channel_class = TimedChannel
    max_connections = MAX_CONNECTIONS
    predict_dispatcher: ThreadedTaskDispatcher
    clock_ahead_s: float  # of the monotonic one, as last seen
    next_channel_cleanup: float

    def add_task(self, channel: TimedChannel) -> None:
        """Predictions have threads of their own, so that all else gets one at once."""
        is_predict = getattr(channel.requests[0], "path", "") == "/predict"  # none, if malformed
        (self.predict_dispatcher if is_predict else self.task_dispatcher).add_task(channel)

    def handle_accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            if len(self.active_channels) >= self.max_connections:
                self.make_room()
            before = len(self.active_channels)
            super().handle_accept()
            if len(self.active_channels) == before:
                break  # nobody else waits

    def make_room(self) -> None:
        """Close the idlest connections of the peer that has most of them."""
        waiting = [one for one in self.active_channels.values() if not one.is_working()]
        by_peer = Counter(one.addr[0] for one in waiting)
        waiting.sort(key=lambda one: (-by_peer[one.addr[0]], one.last_activity))
        for channel in waiting[: self.max_connections // 20 + 1]:
            channel.handle_close()

    def follow_clock(self) -> None:
        """See whether time.time() was set, by which waitress notes when clients did what."""
        now_s = time.time()
        ahead_before_s, self.clock_ahead_s = self.clock_ahead_s, now_s - time.monotonic()
        moved_s = self.clock_ahead_s - ahead_before_s
        if abs(moved_s) > CLOCK_DRIFT_S:
            self.next_channel_cleanup = min(self.next_channel_cleanup, now_s)
            for channel in list(self.active_channels.values()):
                channel.follow_clock(moved_s, now_s)

    def maintenance(self, now: float) -> None:
        for channel in list(self.active_channels.values()):
            if channel.is_late(now):
                channel.handle_close()


class WaitressWorker(Worker):
    """Runs the loop until SIGTERM, then answers what has come and stops."""

    max_body_bytes = 2**28
    limits: Concurrency

    @classmethod
    def with_limits(cls, limits: Concurrency, max_body_bytes: int) -> "type[WaitressWorker]":
        return type(cls.__name__, (cls,), {"limits": limits, "max_body_bytes": max_body_bytes})

    def init_process(self) -> None:
        declare_guarded()
        super().init_process()

    def run(self) -> None:
        dispatchers = threads_for(self.limits)
        server = self.make_server(*dispatchers)
        while self.alive and self.ppid == os.getppid():
            self.notify()
            loop_once(server)
        server.del_channel()  # listens no longer
        stops_at_s = time.monotonic() + self.cfg.graceful_timeout
        lingers_until_s = time.monotonic() + LINGER_S
        while time.monotonic() < stops_at_s and is_needed(
            server, time.monotonic() < lingers_until_s
        ):
            self.notify()
            loop_once(server)
        for dispatcher in dispatchers:
            dispatcher.shutdown(timeout=1)
        wasyncore.close_all(server._map, ignore_all=True)

    def make_server(
        self, predictions: ThreadedTaskDispatcher, others: ThreadedTaskDispatcher
    ) -> Server:
        adjustments = Adjustments(
            ident=None,
            asyncore_use_poll=True,
            cleanup_interval=1,
            connection_limit=10 * MAX_CONNECTIONS,  # room is made instead
            max_request_body_size=self.max_body_bytes + 1,
            max_request_header_size=MAX_HEADER_BYTES,
            log_socket_errors=False,
        )
        listener = self.sockets[0].sock
        server = Server(
            self.wsgi,
            map={},
            _sock=listener,
            dispatcher=others,
            adj=adjustments,
            sockinfo=(listener.family, listener.type, None, None),
            bind_socket=False,
        )
        server.predict_dispatcher = predictions
        server.clock_ahead_s = time.time() - time.monotonic()
        server.max_connections = max(min(MAX_CONNECTIONS, (raise_open_files() - 200) // 2), 16)
        return server


def threads_for(limits: Concurrency) -> tuple[ThreadedTaskDispatcher, ThreadedTaskDispatcher]:
    """Threads for predictions and clicks, with two to refuse what is too much; and for the rest."""
    n_predicting = limits.predictions + limits.clicks
    counts = n_predicting + 2, limits.requests - n_predicting
    found = ThreadedTaskDispatcher(), ThreadedTaskDispatcher()
    for dispatcher, count in zip(found, counts, strict=True):
        dispatcher.queue_logger.setLevel("ERROR")  # a queue is no news: lanes limit it
        dispatcher.set_thread_count(count)
    return found


def loop_once(server: Server) -> None:
    wasyncore.loop(timeout=0.5, use_poll=True, map=server._map, count=1)
    server.follow_clock()
    now_s = time.time()
    if now_s >= server.next_channel_cleanup:  # while nothing listens, waitress itself asks no more
        server.next_channel_cleanup = now_s + 1
        server.maintenance(now_s)


def is_needed(server: Server, lingers: bool) -> bool:
    """Whether a connection has a request to answer, or may be about to have one."""
    return any(
        one.is_working() or one.total_outbufs_len or (lingers and one.request is not None)
        for one in server.active_channels.values()
    )
