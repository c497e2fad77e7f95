"""A limit on the downloads from one host at a time, so that a slow host cannot take all places.

A request keeps one of the places for predictions while its image is downloaded. Without a limit
a host that sends a byte now and then would hold all of them for IMAGE_TIMEOUT_S.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from cachetools import TTLCache

from backend.errors import OutOfTime, Overloaded
from backend.timed_http import left_s

SLOW_FOR_S = 60.0  # that a host is held to be slow without news of it
MAX_SLOW_HOSTS = 1000  # remembered; task data may name any number


class HostPlaces:
    """Places for downloads by host. Safe between threads.

    A host becomes slow when a download from it fails after more than `wait_s`, or when another one
    waited so long for a place in vain. Of a slow host one image at a time is asked for, and for a
    place nobody waits. It is no longer slow with the first download that ends in another way.
    """

    def __init__(self, limit: int, wait_s: float) -> None:
        self.limit = limit
        self.wait_s = wait_s
        self._under_way = Counter[str]()
        self._slow: TTLCache[str, bool] = TTLCache(MAX_SLOW_HOSTS, SLOW_FOR_S)
        self._changed = threading.Condition()

    @contextmanager
    def place(self, host: str) -> Iterator[None]:
        """A place for as long as the context lasts. Raises Overloaded if none comes free.

        OutOfTime if the thread's deadline passes before that can be told.
        """
        self._take(host)
        started_s, is_failed = time.monotonic(), True
        try:
            yield
            is_failed = False
        finally:
            with self._changed:
                self._under_way -= Counter([host])  # drops what falls to zero
                if is_failed and time.monotonic() - started_s > self.wait_s:
                    self._slow[host] = True
                else:
                    self._slow.pop(host, None)
                self._changed.notify_all()

    def _take(self, host: str) -> None:
        patience_s = min(self.wait_s, left_s(self.wait_s))
        until_s = time.monotonic() + patience_s
        with self._changed:
            while self._under_way[host] >= (1 if host in self._slow else self.limit):
                remaining_s = until_s - time.monotonic()
                if host not in self._slow and remaining_s > 0:
                    self._changed.wait(remaining_s)
                    continue
                if host not in self._slow and patience_s < self.wait_s:
                    raise OutOfTime(f"No image of {host} could be asked for in the time left.")
                self._slow[host] = True
                raise self._no_place(host)
            self._under_way[host] += 1

    def _no_place(self, host: str) -> Overloaded:
        return Overloaded(
            f"{host} is slow: {self._under_way[host]} of its images are being downloaded and take "
            f"more than {self.wait_s:g} s. Until one arrives no more are asked for, so that tasks "
            "with images of other hosts go on. Check that host, and ask again then."
        )
