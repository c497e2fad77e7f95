"""A gunicorn worker whose connections are served by waitress: no client can keep a thread waiting.

gunicorn keeps the process: it restarts it, and passes signals on. Waitress reads requests and
writes answers in one loop; threads get whole requests alone. What it lacks is here: deadlines for
clients that send or read slowly, and room for new connections when there are too many.
"""

import os
import shutil
import time
from collections import Counter

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from backend.client_guard import declare_guarded
from backend.commands.open_files import raise_open_files
from backend.commands.passed_on import PassedOn
from backend.commands.waitress_channel import TimedChannel
from backend.concurrency import Concurrency
from backend.worker_group import WorkerGroup, worker_group

MAX_HEADER_BYTES = 65536
MAX_CONNECTIONS = 2000
ACCEPTED_AT_ONCE = 100
CLOCK_DRIFT_S = 1.0  # between two looks at the clock
LINGER_S = 2.0  # for requests that are on their way when the server stops


class Server(TcpWSGIServer):
    """Waitress' loop for one listening socket."""

    channel_class = TimedChannel
    max_connections = MAX_CONNECTIONS
    predict_dispatcher: ThreadedTaskDispatcher
    clock_ahead_s: float  # of the monotonic one, as last seen
    next_channel_cleanup: float
    group: WorkerGroup | None = None  # of several workers on this socket

    def add_task(self, channel: TimedChannel) -> None:
        """Predictions have threads of their own, so that all else gets one at once."""
        is_predict = getattr(channel.requests[0], "path", "") == "/predict"  # none, if malformed
        (self.predict_dispatcher if is_predict else self.task_dispatcher).add_task(channel)

    def readable(self) -> bool:
        """Whether to take connections: not while the model loads, where another worker has one."""
        is_open, group = bool(super().readable()), self.group
        return is_open and (group is None or group.has_loaded.is_set() or not group.ready())

    def handle_accept(self) -> None:
        # One of several leaves the others their share of those that come at once.
        for _ in range(1 if self.group else ACCEPTED_AT_ONCE):
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
        group = worker_group()
        dispatchers = threads_for(self.limits, group.n_workers if group else 1)
        server = self.make_server(*dispatchers[:2])
        server.group, passed_on = group, None
        while self.alive and self.ppid == os.getppid():
            self.notify()
            loop_once(server)
            if group and passed_on is None and group.has_loaded.is_set():
                passed_on = PassedOn(
                    self.wsgi, group, map=server._map, dispatcher=dispatchers[2],
                    max_body_bytes=self.max_body_bytes,
                )  # fmt: skip
        server.del_channel()  # listens no longer
        if passed_on is not None:
            passed_on.stop_listening()
        stops_at_s = time.monotonic() + self.cfg.graceful_timeout
        lingers_until_s = time.monotonic() + LINGER_S
        while time.monotonic() < stops_at_s and is_needed(
            server, passed_on, time.monotonic() < lingers_until_s
        ):
            self.notify()
            loop_once(server)
        for dispatcher in dispatchers:
            dispatcher.shutdown(timeout=1)
        wasyncore.close_all(server._map, ignore_all=True)
        if group and self.ppid != os.getppid():  # killed, and removes nothing any more
            shutil.rmtree(group.folder, ignore_errors=True)

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


def threads_for(limits: Concurrency, n_workers: int) -> list[ThreadedTaskDispatcher]:
    """Threads for predictions and clicks, with two to refuse what is too much; for the rest; and
    for what other workers pass on.

    Of several workers each has threads for its places, and to wait for the places of the others.
    """
    n_predicting = limits.predictions + limits.clicks
    counts = [n_workers * n_predicting + 2, limits.requests - n_predicting]
    if n_workers > 1:
        counts.append((n_workers - 1) * n_predicting + 2)
    found = [ThreadedTaskDispatcher() for _ in counts]
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


def is_needed(server: Server, passed_on: PassedOn | None, lingers: bool) -> bool:
    """Whether a connection has a request to answer, or may be about to have one."""
    return (passed_on is not None and passed_on.is_needed()) or any(
        one.is_working() or one.total_outbufs_len or (lingers and one.request is not None)
        for one in server.active_channels.values()
    )
