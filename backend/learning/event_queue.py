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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import redis

from backend.errors import StoreError
from backend.label_studio.webhook_events import describe_event
from backend.learning.backlog import Backlog
from backend.learning.event_tries import EventTries
from backend.learning.packed_event import pack_record, unpack_event
from backend.learning.queue_scripts import ACKNOWLEDGE_SCRIPT, PUSH_SCRIPT
from backend.learning.queue_store import (
    CONSUMER,
    EVENT_KEYS,
    GROUP,
    MAX_TRIES,
    STREAM_KEYS,
    QueueStore,
)
from backend.learning.set_aside import MAX_EVENTS, RefusedPart, SetAside
from backend.learning.spool import Spool
from backend.log_once import WarnOnce
from backend.metrics import Counts
from backend.store.keys import CORRECTIONS_KEY
from backend.store.store import Store

log = logging.getLogger(__name__)

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


class EventQueue:
    """`push`, `take`, `acknowledge`; no crash of a process loses an event. Safe between threads."""

    def __init__(self, store: Store, data_dir: Path, config: QueueConfig | None = None) -> None:
        self.counts = Counts(
            "pushed",
            "spooled",  # of those pushed, into the file
            "dropped",  # the oldest, for want of room
        )
        self._store = store
        self._commands = QueueStore(store)
        self.tries = EventTries(self._commands)
        self.set_aside = SetAside(self._commands)
        self._config = config or QueueConfig()
        self.backlog = Backlog(self._commands, self._config.max_events, self._config.max_bytes)
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
                    f"{event.get('action')} of {describe_event(event)} is lost: {error} And "
                    f"{self._spool.path} cannot be written: {disk_error}. Make room on the disk of "
                    "DATA_DIR, and press Update on the annotation."
                ) from disk_error
            self.counts.add(pushed=1, spooled=1)
        self._report_dropped(dropped)

    def take(self, n: int) -> list[QueuedEvent]:
        """Up to n events, which no other caller gets before `claim_after_s` is over.

        Empty while the store is down.
        """
        self._drain_spool()
        try:
            entries = self._commands.run("take corrections", lambda client: self._claim(client, n))
        except StoreError:
            return []
        events, unreadable = [], 0
        for entry_id, value in entries:
            try:
                events.append(QueuedEvent(entry_id, unpack_event(value)))
            except (ValueError, zlib.error) as error:
                unreadable += 1
                part = RefusedPart(value, "?", "what cannot be read", f"It is no event: {error}.")
                with contextlib.suppress(StoreError):  # logged where it arose; it comes again
                    self.set_aside.move(entry_id, [part])
        if unreadable:
            log.warning("%d corrections in the store cannot be read: set aside.", unreadable)
        return events

    def acknowledge(self, ids: Sequence[str]) -> None:
        """Remove events from the queue. While the store is down they stay, and come again."""
        if ids:
            with contextlib.suppress(StoreError):
                self._commands.eval(
                    "forget corrections", ACKNOWLEDGE_SCRIPT, EVENT_KEYS, GROUP, MAX_TRIES, *ids
                )

    def retry(self, project: str | None = None) -> int:
        """Put what was set aside back into the queue, of one project or all; how many events.

        `project`: as in /setup, or its number alone. Raises StoreError.
        """
        ids = [
            one.id
            for one in reversed(self.set_aside.newest(MAX_EVENTS))
            if project is None or project in (one.project, one.project.split(".")[0])
        ]
        limits = {"max_events": self._config.max_events, "max_bytes": self._config.max_bytes}
        return self.set_aside.retry(ids, **limits)

    def size(self) -> int:
        """Number of events not acknowledged; while the store is down, of those in the spool."""
        try:
            in_store = self._commands.run(
                "count corrections", lambda client: client.xlen(CORRECTIONS_KEY)
            )
        except StoreError:
            in_store = 0
        return int(in_store) + len(self._spool)

    def _push_to_store(self, record: bytes) -> int:
        """Add an event to the stream; the number of old ones dropped for it."""
        limits = (self._config.max_events, self._config.max_bytes)
        dropped = self._commands.eval(
            "queue a correction", PUSH_SCRIPT, STREAM_KEYS, pack_record(record), *limits
        )
        return int(dropped)

    def _claim(self, client: redis.Redis, n: int) -> list[tuple[str, bytes]]:
        """Ids and values: first entries delivered long ago, then new ones."""
        with contextlib.suppress(redis.ResponseError):  # BUSYGROUP: the group exists
            client.xgroup_create(CORRECTIONS_KEY, GROUP, id="0", mkstream=True)
        idle_ms = int(1000 * self._config.claim_after_s)
        # Any, since redis-py types these answers as unions over its protocol versions.
        pending: Any = client.xpending_range(CORRECTIONS_KEY, GROUP, "-", "+", n, idle=idle_ms)
        entries: list[tuple[bytes, dict[bytes, bytes] | None]] = []
        if pending:
            ids = [row["message_id"] for row in pending]
            claimed: Any = client.xclaim(CORRECTIONS_KEY, GROUP, CONSUMER, idle_ms, ids)
            entries += claimed
        if len(entries) < n:
            streams: Any = client.xreadgroup(
                GROUP, CONSUMER, {CORRECTIONS_KEY: ">"}, count=n - len(entries)
            )
            entries += [entry for _, new_entries in streams for entry in new_entries]
        return [
            (entry_id.decode(), fields.get(b"event", b""))
            for entry_id, fields in entries
            if fields is not None  # dropped for want of room since its first delivery
        ]

    def _drain_spool(self) -> None:
        """Move events from the spool file to the store, if that is up."""
        if not (self._store.is_up() and self._spool):
            return
        try:
            n = self._spool.drain(lambda record: self._report_dropped(self._push_to_store(record)))
        except (StoreError, OSError) as error:
            self._warn_once(f"Corrections stay in {self._spool.path} for now: {error}")
            return
        if n:
            log.info("The %d corrections that waited in %s are in the store.", n, self._spool.path)

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
