"""What is in a queue of numbered events."""

from collections.abc import Iterable
from typing import Any

from backend.learning.event_queue import QueuedEvent
from backend.store.keys import CORRECTIONS_BYTES_KEY, CORRECTIONS_KEY
from backend.store.store import Store


def numbers(events: Iterable[QueuedEvent]) -> list[int]:
    return [queued.event["n"] for queued in events]


def bytes_counted(store: Store) -> int:
    """The sum of the sizes of events that the queue keeps for its limit."""
    return int(store.run("look", lambda client: client.get(CORRECTIONS_BYTES_KEY)) or 0)


def bytes_held(store: Store) -> int:
    """The sizes of the events that are really there."""
    entries: Any = store.run("look", lambda client: client.xrange(CORRECTIONS_KEY))
    return sum(len(fields[b"event"]) for _, fields in entries)
