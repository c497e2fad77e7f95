"""Commands on the keys of the event queue, which are repaired where other data lies there."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import redis

from backend.learning.queue_scripts import REPAIR_SCRIPT
from backend.store.foreign_data import is_wrong_type
from backend.store.keys import (
    CORRECTIONS_BYTES_KEY,
    CORRECTIONS_KEY,
    CORRECTIONS_TRIES_KEY,
    SET_ASIDE_BYTES_KEY,
    SET_ASIDE_KEY,
)
from backend.store.store import Store

log = logging.getLogger(__name__)

T = TypeVar("T")

STREAM_KEYS = (CORRECTIONS_KEY, CORRECTIONS_BYTES_KEY)
EVENT_KEYS = (*STREAM_KEYS, CORRECTIONS_TRIES_KEY)
ASIDE_KEYS = (SET_ASIDE_KEY, SET_ASIDE_BYTES_KEY)
DAMAGED_SUFFIX = ":damaged"
GROUP = CONSUMER = "firstpass"  # one name for all workers; each event still goes to one of them
MAX_TRIES = 2  # that failed, or whose process ended on the way, until an event is set aside


class QueueStore:
    def __init__(self, store: Store) -> None:
        self.store = store

    def run(self, purpose: str, action: Callable[[redis.Redis], T]) -> T:
        """`action(client)`, as `Store.run`; once more after a repair, if it met foreign data."""

        def run(client: redis.Redis) -> T:
            try:
                return action(client)
            except redis.ResponseError as error:
                if not (is_wrong_type(error) or "not an integer" in str(error)):
                    raise
            log.warning(
                "The queue of corrections in the store was damaged. What is no queue lies under "
                "%s*%s now, and the queue goes on.", CORRECTIONS_KEY, DAMAGED_SUFFIX,
            )  # fmt: skip
            keys = (*EVENT_KEYS, *ASIDE_KEYS)
            client.eval(REPAIR_SCRIPT, len(keys), *keys, DAMAGED_SUFFIX)
            return action(client)

        return self.store.run(purpose, run)

    def eval(self, purpose: str, script: str, keys: tuple[str, ...], *arguments: Any) -> Any:
        """What the Lua script returns. Raises StoreError."""
        return self.run(purpose, lambda client: client.eval(script, len(keys), *keys, *arguments))
