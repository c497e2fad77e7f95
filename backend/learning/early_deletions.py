"""Applies deletions at once, beside the queue, where an earlier event may wait for its image.

The queue applies them again in its turn, since it survives a crash; the store refuses lessons of
what was deleted, so the order does not matter.
"""

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from backend.errors import FirstpassError
from backend.label_studio.webhook_events import DELETIONS
from backend.learning.event_queue import QueuedEvent
from backend.learning.worker import HANDLERS, LearningWorker
from backend.plain_thread import PlainThread

MAX_WAITING = 1000  # events; more of them take the queue's way alone

log = logging.getLogger(__name__)


class EarlyDeletions:
    """Safe between threads. One thread applies them, and ends when there are no more."""

    def __init__(self, worker: LearningWorker) -> None:
        self._worker = worker
        self._waiting: deque[QueuedEvent] = deque()
        self._thread: PlainThread | None = None
        self._lock = threading.Lock()

    def note(self, event: Mapping[str, Any]) -> None:
        """Apply a webhook event soon, if it is a deletion."""
        if event.get("action") not in DELETIONS:
            return
        with self._lock:
            if len(self._waiting) >= MAX_WAITING:
                return
            self._waiting.append(QueuedEvent("", dict(event)))
            if self._thread is None or not self._thread.is_alive():
                with contextlib.suppress(RuntimeError):  # no memory for a thread: the queue's turn
                    self._thread = PlainThread(self._run)

    def stop(self, timeout_s: float) -> bool:
        """Whether all that were noted are applied within this time."""
        thread = self._thread
        return thread is None or thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                queued = self._waiting.popleft()
            self._apply(queued)

    def _apply(self, queued: QueuedEvent) -> None:
        try:
            HANDLERS[queued.event["action"]](self._worker, queued, False)
        except FirstpassError as error:  # the queue's turn comes, and says it
            log.debug("a deletion waits for its turn in the queue: %s", error)
        except Exception:
            log.exception("a deletion waits for its turn in the queue")
