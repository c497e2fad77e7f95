"""A daemon thread whose start never waits.

`threading.Thread.start` returns when the new thread has said that it runs: for ever not, if that
one finds no memory when it begins. Whoever starts it may hold a lock, or a request.
"""

import _thread
import os
import threading
import time
from collections.abc import Callable

BEGINS_WITHIN_S = 10.0  # on a busy machine; one that has not begun by then has found no memory


class PlainThread:
    """Runs `target` once, from the moment that it is made."""

    def __init__(self, target: Callable[[], None]) -> None:
        """Raises RuntimeError if the system gives no thread."""
        self._target = target
        self._has_begun, self._has_ended = threading.Event(), threading.Event()
        self._made_s, self._process = time.monotonic(), os.getpid()
        _thread.start_new_thread(self._run, ())

    def is_alive(self) -> bool:
        """Whether it runs, or is about to; a forked process has none of its parent's threads."""
        if self._has_ended.is_set() or self._process != os.getpid():
            return False
        return self._has_begun.is_set() or time.monotonic() - self._made_s < BEGINS_WITHIN_S

    def join(self, timeout_s: float) -> bool:
        """Whether it has ended within this time."""
        return not self.is_alive() or self._has_ended.wait(timeout_s)

    def _run(self) -> None:
        self._has_begun.set()
        try:
            self._target()
        finally:
            self._has_ended.set()
