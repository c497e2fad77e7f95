"""Logs each warning once, for what is found again at each request."""

import logging
from threading import Lock

from cachetools import LRUCache


class WarnOnce:
    """Called with a sentence, logs it unless it is among the last `max_remembered`."""

    def __init__(self, log: logging.Logger, max_remembered: int = 1000) -> None:
        self._log = log
        self._logged: LRUCache[int, bool] = LRUCache(max_remembered)
        self._lock = Lock()

    def __call__(self, sentence: str) -> None:
        key = hash(sentence)  # which may be as long as a request
        with self._lock:
            if key in self._logged:
                return
            self._logged[key] = True
        self._log.warning("%s", sentence)
