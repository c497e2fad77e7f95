"""Warnings written once: Label Studio sets up before each prediction, and people read once."""

import logging
from threading import Lock

from cachetools import LRUCache

log = logging.getLogger(__name__)


class WarnOnce:
    def __init__(self, remembered: int = 1000) -> None:
        self._said: LRUCache[str, bool] = LRUCache(remembered)
        self._lock = Lock()

    def __call__(self, sentence: str) -> None:
        with self._lock:
            if sentence in self._said:
                return
            self._said[sentence] = True
        log.warning("%s", sentence)
