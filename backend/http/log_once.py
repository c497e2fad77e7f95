"""Logs each warning once, since Label Studio repeats /setup before each prediction."""

import logging
from threading import Lock

from cachetools import LRUCache

log = logging.getLogger(__name__)


class WarnOnce:
    """Called with a sentence, logs it unless it is among the last `max_remembered`."""

    def __init__(self, max_remembered: int = 1000) -> None:
        self._logged: LRUCache[str, bool] = LRUCache(max_remembered)
        self._lock = Lock()

    def __call__(self, sentence: str) -> None:
        with self._lock:
            if sentence in self._logged:
                return
            self._logged[sentence] = True
        log.warning("%s", sentence)
