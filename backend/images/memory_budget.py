"""A bound on the memory that all threads together take for decoded images."""

import contextlib
import threading
import time
import weakref
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from backend.errors import ImageTooLarge, Overloaded

# Images that need more than the first share get at most the second of the budget, together: the
# largest images never keep the common ones waiting.
LARGE_SHARE = 1 / 4
SHARE_OF_LARGE = 3 / 4


class MemoryBudget:
    """Bytes to be reserved before an image is decoded. Safe between threads."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._large_bytes = int(max_bytes * SHARE_OF_LARGE)
        self._taken = {True: 0, False: 0}  # by whether the image is a large one
        # Reentrant: the garbage collector may release an image while this thread holds it.
        self._changed = threading.Condition(threading.RLock())

    @property
    def taken_bytes(self) -> int:
        return sum(self._taken.values())

    @contextlib.contextmanager
    def reserve(self, n_bytes: int, timeout_s: float) -> Iterator["Reservation"]:
        """Hold so many bytes, of which `Reservation.keep_for` keeps a part for longer.

        Raises ImageTooLarge if they can never be had, Overloaded after `timeout_s`.
        """
        is_large = n_bytes > self.max_bytes * LARGE_SHARE
        if n_bytes > self._large_bytes:
            raise ImageTooLarge(
                f"Decoding this image takes {n_bytes / 2**20:.0f} MB of memory, "
                f"{self._large_bytes / 2**20:.0f} are allowed: shrink it, or raise IMAGE_MEMORY_MB."
            )
        until_s = time.monotonic() + timeout_s
        with self._changed:
            while not self._has_room(n_bytes, is_large):
                # Not notified of all room: see `release`.
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    raise Overloaded(
                        f"No memory for this image became free within {timeout_s:.0f} s, since "
                        "other large images are being decoded: send fewer at once, or raise "
                        "IMAGE_MEMORY_MB."
                    )
                self._changed.wait(min(left_s, 0.1))
            self._taken[is_large] += n_bytes
        reservation = Reservation(self, n_bytes, is_large)
        try:
            yield reservation
        finally:
            self.release(reservation.n_bytes, is_large)

    def release(self, n_bytes: int, is_large: bool) -> None:
        """Called by finalizers in any thread, so it neither blocks for long nor raises."""
        with self._changed:
            self._taken[is_large] -= n_bytes
            self._changed.notify_all()

    def _has_room(self, n_bytes: int, is_large: bool) -> bool:
        fits = self.taken_bytes + n_bytes <= self.max_bytes
        return fits and not (is_large and self._taken[True] + n_bytes > self._large_bytes)


class Reservation:
    def __init__(self, budget: MemoryBudget, n_bytes: int, is_large: bool) -> None:
        self.n_bytes = n_bytes  # released at the end of the context
        self._budget, self._is_large = budget, is_large

    def keep_for(self, image: NDArray[np.uint8]) -> None:
        """Keep the image's own bytes reserved until the last reference to its array is gone."""
        kept = min(image.nbytes, self.n_bytes)
        self.n_bytes -= kept
        weakref.finalize(image, self._budget.release, kept, self._is_large).atexit = False
