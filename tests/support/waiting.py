"""Waits for what another thread or process does."""

import time
from collections.abc import Callable


def wait_until(claim: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Return when the claim is true; fail when it stays false for a very long time."""
    deadline_s = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.01)
