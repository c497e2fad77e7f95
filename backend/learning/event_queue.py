"""A durable queue of webhook events in a Redis stream, with at-least-once delivery.

Label Studio waits one second for a webhook's answer and never repeats it, so an event is in a file
before `push` returns: in the store's append-only file, which a killed process does not damage and a
power cut shortens by at most 2 s; or, while the store is down, in a spool file, synced at once and
moved to the store later. The order of delivery is not strict; consumers compare ids and times.
"""

import contextlib
import logging
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson
import redis

from backend.errors import StoreError
from backend.learning.queue_scripts import ACKNOWLEDGE_SCRIPT, PUSH_SCRIPT, REPAIR_SCRIPT
from backend.learning.spool import Spool
from backend.log_once import WarnOnce
from backend.metrics import Counts
from backend.store.foreign_data import is_wrong_type
from backend.store.keys import CORRECTIONS_BYTES_KEY, CORRECTIONS_KEY
from backend.store.store import Store

log = logging.getLogger(__name__)

T = TypeVar("T")

DAMAGED_KEY = f"{CORRECTIONS_KEY}:damaged"
KEYS = (CORRECTIONS_KEY, CORRECTIONS_BYTES_KEY)
GROUP = CONSUMER = "firstpass"  # one name for all workers; each event still goes to one of them
MIN_COMPRESSED_BYTES = 4096  # RLE as JSON shrinks to a quarter; level 1 takes 1 ms per 80 kB
WARNING_INTERVAL_S = 60.0


@dataclass(frozen=True)
class QueueConfig:
    max_events: int = 10_000  # in the store; beyond it the oldest are dropped, with a warning
    max_bytes: int = 128 * 2**20  # in the store, compressed
    max_spool_bytes: int = 64 * 2**20
    claim_after_s: float = 60.0  # until an event that is not acknowledged is delivered again


@dataclass(frozen=True)
class QueuedEvent:
    id: str  # of the stream entry, "milliseconds-count"
    event: dict[str, Any]  # as Label Studio sent it
    deliveries: int  # more than 1 if earlier ones were not acknowledged


class EventQueue:
    """`push`, `take`, `acknowledge`; no crash of a process loses an event. Safe between threads."""

    def __init__(self, store: Store, data_dir: Path, config: QueueConfig | None = None) -> None:
        self.counts = Counts(
            "pushed",
            "spooled",  # of those pushed, into the file
            "dropped",  # the oldest, for want of room
        )
        self._store = store
        self._config = config or QueueConfig()
        self._spool = Spool(
            data_dir / "corrections" / "waiting.jsonl", self._config.max_spool_bytes
        )
        self._last_warning_s = -WARNING_INTERVAL_S
        self._warn_once = WarnOnce(log)
        self._lock = threading.Lock()
        store.on_reconnect(self._drain_spool)
        self._drain_spool()

    def push(self, event: Mapping[str, Any]) -> None:
        """Queue an event, in a file when this returns after some ms.

        Raises StoreError if neither the store nor the spool file takes it.
        """
        record = orjson.dumps(event)
        try:
            dropped = self._push_to_store(record)
            self.counts.add(pushed=1)
        except StoreError as error:
            try:
                dropped = self._spool.append(record)
            except OSError as disk_error:
                raise StoreError(
                    f"A correction is lost: {error} And {self._spool.path} cannot be written: "
                    f"{disk_error}. Make room on the disk of DATA_DIR."
                ) from disk_error
            self.counts.add(pushed=1, spooled=1)
        self._report_dropped(dropped)

    def take(self, n: int) -> list[QueuedEvent]:
        """Up to n events, which no other caller gets before `claim_after_s` is over.

        Empty while the store is down.
        """
        self._drain_spool()
        try:
            entries = self._run("take corrections", lambda client: self._claim(client, n))
        except StoreError:
            return []
        events, unreadable = [], []
        for entry_id, value, deliveries in entries:
            try:
                events.append(QueuedEvent(entry_id, unpack_event(value), deliveries))
            except (ValueError, zlib.error):
                unreadable.append(entry_id)
        if unreadable:
            log.warning("%d corrections in the store cannot be read: dropped.", len(unreadable))
            self.acknowledge(unreadable)
        return events

    def acknowledge(self, ids: Sequence[str]) -> None:
        """Remove events from the queue. While the store is down they stay, and come again."""
        if ids:
            with contextlib.suppress(StoreError):
                self._run(
                    "forget corrections",
                    lambda client: client.eval(ACKNOWLEDGE_SCRIPT, len(KEYS), *KEYS, GROUP, *ids),
                )

    def size(self) -> int:
        """Number of events not acknowledged; while the store is down, of those in the spool."""
        try:
            in_store = self._run("count corrections", lambda client: client.xlen(CORRECTIONS_KEY))
        except StoreError:
            in_store = 0
        return int(in_store) + len(self._spool)

    def _run(self, purpose: str, action: Callable[[redis.Redis], T]) -> T:
        """`action(client)`, as `Store.run`; once more after a repair, if it met foreign data."""

        def run(client: redis.Redis) -> T:
            try:
                return action(client)
            except redis.ResponseError as error:
                if not (is_wrong_type(error) or "not an integer" in str(error)):
                    raise
            log.warning(
                "The queue of corrections in the store was damaged. What is no queue lies under "
                "%s now, and the queue goes on.", DAMAGED_KEY,
            )  # fmt: skip
            client.eval(REPAIR_SCRIPT, 3, *KEYS, DAMAGED_KEY)
            return action(client)

        return self._store.run(purpose, run)

    def _push_to_store(self, record: bytes) -> int:
        """Add an event to the stream; the number of old ones dropped for it."""
        value = zlib.compress(record, 1) if len(record) >= MIN_COMPRESSED_BYTES else record
        limits = (self._config.max_events, self._config.max_bytes)
        dropped = self._run(
            "queue a correction",
            lambda client: client.eval(
                PUSH_SCRIPT, 2, CORRECTIONS_KEY, CORRECTIONS_BYTES_KEY, value, *limits
            ),
        )
        return int(dropped)

    def _claim(self, client: redis.Redis, n: int) -> list[tuple[str, bytes, int]]:
        """(id, value, deliveries): first entries delivered long ago, then new ones."""
        with contextlib.suppress(redis.ResponseError):  # BUSYGROUP: the group exists
            client.xgroup_create(CORRECTIONS_KEY, GROUP, id="0", mkstream=True)
        idle_ms = int(1000 * self._config.claim_after_s)
        # Any, since redis-py types these answers as unions over its protocol versions.
        pending: Any = client.xpending_range(CORRECTIONS_KEY, GROUP, "-", "+", n, idle=idle_ms)
        deliveries = {row["message_id"]: row["times_delivered"] + 1 for row in pending}
        entries: list[tuple[bytes, dict[bytes, bytes] | None]] = []
        if deliveries:
            claimed: Any = client.xclaim(
                CORRECTIONS_KEY, GROUP, CONSUMER, idle_ms, list(deliveries)
            )
            entries += claimed
        if len(entries) < n:
            streams: Any = client.xreadgroup(
                GROUP, CONSUMER, {CORRECTIONS_KEY: ">"}, count=n - len(entries)
            )
            entries += [entry for _, new_entries in streams for entry in new_entries]
        return [
            (entry_id.decode(), fields.get(b"event", b""), deliveries.get(entry_id, 1))
            for entry_id, fields in entries
            if fields is not None  # dropped for want of room since its first delivery
        ]

    def _drain_spool(self) -> None:
        """Move events from the spool file to the store, if that is up."""
        if not (self._store.is_up() and self._spool):
            return
        try:
            self._spool.drain(lambda record: self._report_dropped(self._push_to_store(record)))
        except (StoreError, OSError) as error:
            self._warn_once(f"Corrections stay in {self._spool.path} for now: {error}")
        else:
            log.info("The corrections that waited in %s are in the store.", self._spool.path)

    def _report_dropped(self, dropped: int) -> None:
        """Count dropped events, and warn once a minute."""
        self.counts.add(dropped=dropped)
        with self._lock:
            is_due = dropped and time.monotonic() - self._last_warning_s > WARNING_INTERVAL_S
            if is_due:
                self._last_warning_s = time.monotonic()
        if is_due:
            log.warning(
                "The queue of corrections is full: %d of the oldest dropped so far. "
                "Is anything working it off?",
                self.counts["dropped"],
            )


def unpack_event(value: bytes) -> dict[str, Any]:
    """The event of a stored value, JSON or compressed JSON. Raises ValueError or zlib.error."""
    event = orjson.loads(value if value.startswith(b"{") else zlib.decompress(value))
    if not isinstance(event, dict):
        raise ValueError("an event is a JSON object")
    return event
