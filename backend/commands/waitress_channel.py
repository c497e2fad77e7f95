"""A connection of waitress that knows how long its client takes, and says errors as JSON."""

import socket
import time

import orjson
from waitress.channel import HTTPChannel
from waitress.task import ErrorTask

HEADERS_WITHIN_S = 10.0  # of the first byte; and the first byte, of the connection
BODY_GRACE_S = 20.0  # after which a body must have come at MIN_BODY_BYTES_PER_S
MIN_BODY_BYTES_PER_S = 20_000
UNREAD_WITHIN_S = 60.0  # an answer of which nothing is taken for so long is given up
IDLE_WITHIN_S = 75.0  # between requests
DISCARDING_FOR_S = 5.0


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
