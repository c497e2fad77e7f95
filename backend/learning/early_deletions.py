"""Applies deletions at once, beside the queue, where an earlier event may wait for its image.

The queue applies them again in its turn, since it survives a crash; the store refuses lessons of
what was deleted, so the order does not matter.
"""

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from backend.errors import FirstpassError
from backend.label_studio.webhook_events import DELETIONS
from backend.learning.event_queue import QueuedEvent
from backend.learning.worker import HANDLERS, LearningWorker

MAX_WAITING = 1000  # events; more of them take the queue's way alone

log = logging.getLogger(__name__)


class EarlyDeletions:
    def __init__(self, worker: LearningWorker) -> None:
        self._worker = worker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="deleter")
        self._waiting = threading.BoundedSemaphore(MAX_WAITING)

    def note(self, event: Mapping[str, Any]) -> None:
        """Apply a webhook event soon, if it is a deletion."""
        if event.get("action") in DELETIONS and self._waiting.acquire(blocking=False):
            self._thread.submit(self._apply, QueuedEvent("", dict(event)))

    def _apply(self, queued: QueuedEvent) -> None:
        try:
            HANDLERS[queued.event["action"]](self._worker, queued, False)
        except FirstpassError as error:  # the queue's turn comes, and says it
            log.debug("a deletion waits for its turn in the queue: %s", error)
        except Exception:
            log.exception("a deletion waits for its turn in the queue")
        finally:
            self._waiting.release()
