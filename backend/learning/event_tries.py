"""How often each event was tried in vain, kept beside the queue: no restart forgets it.

A try is noted before it begins, since it may end its process. One that failed for want of the store
or of room for it is taken back; deliveries do not count at all.
"""

import logging
import threading

from backend.errors import StoreError
from backend.learning.queue_scripts import BEGIN_SCRIPT
from backend.learning.queue_store import MAX_TRIES, QueueStore
from backend.store.keys import CORRECTIONS_TRIES_KEY

log = logging.getLogger(__name__)

MAX_REASON_CHARS = 500
INTERRUPTED = "its process ended before it was done"


class EventTries:
    """Of one process. Safe between threads."""

    def __init__(self, queue: QueueStore) -> None:
        self._queue = queue
        self._to_excuse: set[str] = set()  # while the store was down
        self._lock = threading.Lock()

    def begin(self, event_id: str) -> list[str]:
        """Why earlier tries of the event failed; if those are fewer than MAX_TRIES, notes another.

        Raises StoreError, also for a store without room: then nothing was begun.
        """
        self._excuse_waiting()
        reasons: list[bytes] = self._queue.eval(
            "note a correction's try", BEGIN_SCRIPT, (CORRECTIONS_TRIES_KEY,),
            event_id, MAX_TRIES, INTERRUPTED,
        )  # fmt: skip
        return [reason.decode(errors="replace") for reason in reasons]

    def fail(self, event_id: str, number: int, reason: str) -> None:
        """Keep why the try failed; without the store or room it counts as interrupted."""
        field = f"{event_id}#{number}"
        try:
            self._queue.run(
                "note a correction's failure",
                lambda client: client.hset(CORRECTIONS_TRIES_KEY, field, reason[:MAX_REASON_CHARS]),
            )
        except StoreError as error:
            log.debug("%s", error)  # logged where it arose

    def excuse(self, event_id: str, number: int) -> None:
        """Do not count the try: not the event failed, but what it needed was not there."""
        with self._lock:
            self._to_excuse.add(f"{event_id}#{number}")
        try:
            self._excuse_waiting()
        except StoreError as error:
            log.debug("%s", error)  # logged where it arose; the next `begin` does it

    def _excuse_waiting(self) -> None:
        with self._lock:
            fields = list(self._to_excuse)
        if fields:
            self._queue.run(
                "take back a correction's try",
                lambda client: client.hdel(CORRECTIONS_TRIES_KEY, *fields),
            )
            with self._lock:
                self._to_excuse.difference_update(fields)
