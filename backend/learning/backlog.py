"""What waits in the queue, and what a batch may add to it without pushing anything out."""

import zlib
from collections.abc import Iterator
from typing import Any

import redis

from backend.learning.packed_event import unpack_event
from backend.learning.queue_scripts import PUSH_IF_ROOM_SCRIPT
from backend.learning.queue_store import STREAM_KEYS, QueueStore
from backend.store.keys import CORRECTIONS_KEY

BATCH_SHARE = 0.75  # of the queue; the rest is left to corrections that come meanwhile
PAGE_EVENTS = 50  # read at once: a few megabytes


class Backlog:
    """Of one queue; all methods raise StoreError."""

    def __init__(self, queue: QueueStore, max_events: int, max_bytes: int) -> None:
        self._queue = queue
        self.max_events = int(BATCH_SHARE * max_events)
        self.max_bytes = int(BATCH_SHARE * max_bytes)  # as they are stored

    def add(self, value: bytes) -> bool:
        """Queue a packed event, unless the queue is so full already; whether there was room."""
        return bool(
            self._queue.eval(
                "queue a batch", PUSH_IF_ROOM_SCRIPT, STREAM_KEYS,
                value, self.max_events, self.max_bytes,
            )
        )  # fmt: skip

    def waiting(self) -> Iterator[dict[str, Any]]:
        """The events that are not acknowledged yet, the oldest first; unreadable ones left out."""
        start = "-"
        while entries := self._page(start):
            for _, fields in entries:
                try:
                    yield unpack_event(fields.get(b"event", b""))
                except (ValueError, zlib.error):  # `take` sets it aside
                    continue
            start = "(" + entries[-1][0].decode()

    def _page(self, start: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        def read(client: redis.Redis) -> Any:
            return client.xrange(CORRECTIONS_KEY, min=start, count=PAGE_EVENTS)

        found: list[tuple[bytes, dict[bytes, bytes]]] = self._queue.run("read corrections", read)
        return found
