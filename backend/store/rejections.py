"""What a server that is up refuses, by the purpose of the command: logged once, shown in /ready."""

import logging
import re
import threading
from typing import Any

import redis

from backend.store.servers import server_reason

log = logging.getLogger(__name__)

# Error codes that tell of the server's state, such as a full disk or memory, not of one command.
STATE_CODES = ("MISCONF", "OOM", "READONLY", "NOREPLICAS", "LOADING", "BUSY", "CLUSTERDOWN")
PROBE_KEY = "firstpass:probe"
FULL_SHARE = 0.95  # of the memory


class Rejections:
    """Of one server. Safe between threads."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._reasons: dict[str, str] = {}  # purpose -> sentence
        self._of_state: set[str] = set()  # purposes that were refused for the server's state
        self._lock = threading.Lock()

    def add(self, purpose: str, error: redis.RedisError) -> str:
        """Note that the server refused a command, log it once; the sentence."""
        words = server_reason(error).rstrip(".")
        sentence = f"The store at {self._address} refuses to {purpose}: {words}."
        with self._lock:
            is_new = purpose not in self._reasons
            self._reasons[purpose] = sentence
            if is_state(error):
                self._of_state.add(purpose)
            else:
                self._of_state.discard(purpose)
        if is_new:
            log.warning("%s", sentence)
        return sentence

    def remove(self, purpose: str) -> None:
        """Note that the server takes such a command; logged if it did not before."""
        if purpose not in self._reasons:
            return
        with self._lock:
            was_there = self._reasons.pop(purpose, None)
            self._of_state.discard(purpose)
        if was_there:
            log.info("The store at %s can %s again.", self._address, purpose)

    def review(self, client: redis.Redis) -> None:
        """Forget what was refused for a state that is over, as a write tells.

        What was refused may not be asked for again for hours. Raises connection errors.
        """
        with self._lock:
            purposes = list(self._of_state)
        if not purposes:
            return
        try:
            if not has_room(client):
                return
            client.set(PROBE_KEY, b"", px=1)
        except redis.ResponseError as error:
            if is_state(error):
                return
        for purpose in purposes:
            self.remove(purpose)

    def sentences(self) -> list[str]:
        with self._lock:
            return list(self._reasons.values())


def has_room(client: redis.Redis) -> bool:
    """Whether the server's memory is not nearly full: a small write passes where others do not."""
    info: dict[str, Any] = client.info("memory")
    used, limit = info.get("used_memory", 0), info.get("maxmemory", 0)
    return not limit or bool(used < FULL_SHARE * limit)


def is_state(error: redis.RedisError) -> bool:
    """Whether the server refuses for its state; redis-py takes the code from some messages."""
    if isinstance(error, redis.exceptions.ReadOnlyError | redis.exceptions.OutOfMemoryError):
        return True
    if isinstance(error, redis.exceptions.BusyLoadingError):
        return True
    return bool(re.match("|".join(STATE_CODES), str(error)))
