"""Events that could not be learned from, kept with the reason until a person has them tried again.

They leave the queue and come here in one step. What was learned meanwhile is not learned twice, so
trying an event again does no harm.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backend.errors import StoreError
from backend.learning.queue_scripts import LIST_SCRIPT, RETRY_SCRIPT, SET_ASIDE_SCRIPT
from backend.learning.queue_store import (
    ASIDE_KEYS,
    EVENT_KEYS,
    GROUP,
    MAX_TRIES,
    STREAM_KEYS,
    QueueStore,
)
from backend.store.keys import SET_ASIDE_KEY

log = logging.getLogger(__name__)

MAX_EVENTS = 1000  # beyond these limits the oldest are dropped, with a warning
MAX_BYTES = 32 * 2**20
MAX_REASON_CHARS = 500


@dataclass(frozen=True)
class RefusedPart:
    """What of an event cannot be learned: all of it, or one of its annotations."""

    value: bytes  # the event as it is stored in the queue, with this part alone
    project: str  # as in /setup; "?" if the event names none
    what: str  # such as "annotation 7 of task 5"
    reason: str


@dataclass(frozen=True)
class SetAsideEvent:
    id: str
    project: str
    what: str
    reason: str
    at_s: int  # since 1970


class SetAside:
    def __init__(self, queue: QueueStore) -> None:
        self._queue = queue

    def move(self, event_id: str, parts: Sequence[RefusedPart]) -> None:
        """Keep these parts of a queued event, and acknowledge it. Raises StoreError."""
        fields: list[Any] = []
        for part in parts:
            reason = part.reason[:MAX_REASON_CHARS]
            fields += [part.value, part.project, part.what, reason, int(time.time())]
        dropped = self._queue.eval(
            "set a correction aside", SET_ASIDE_SCRIPT, (*EVENT_KEYS, *ASIDE_KEYS),
            GROUP, MAX_TRIES, event_id, MAX_EVENTS, MAX_BYTES, *fields,
        )  # fmt: skip
        if dropped:
            log.warning("%d of the corrections that were set aside first are dropped.", dropped)

    def count(self) -> int:
        """Number of events; 0 while the store is down."""
        try:
            n = self._queue.run("count corrections", lambda client: client.xlen(SET_ASIDE_KEY))
        except StoreError:
            return 0
        return int(n)

    def newest(self, n: int) -> list[SetAsideEvent]:
        """Up to n of them, the newest first; none while the store is down."""
        try:
            found = self._queue.eval("list corrections", LIST_SCRIPT, (SET_ASIDE_KEY,), n)
        except StoreError:
            return []
        rows = [[text.decode(errors="replace") for text in row] for row in found]
        return [
            SetAsideEvent(entry_id, project, what, reason, int(at_s) if at_s.isdecimal() else 0)
            for entry_id, project, what, reason, at_s in rows
        ]

    def retry(self, ids: Sequence[str], *, max_events: int, max_bytes: int) -> int:
        """Put events back into the queue, whose limits these are; how many. Raises StoreError."""
        moved, dropped = self._queue.eval(
            "try corrections again", RETRY_SCRIPT, (*STREAM_KEYS, *ASIDE_KEYS),
            max_events, max_bytes, *ids,
        )  # fmt: skip
        if dropped:
            log.warning("The queue of corrections is full: %d of the oldest dropped.", dropped)
        return int(moved)
