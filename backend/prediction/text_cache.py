"""Text embeds asked of this process, then of the store, and only then of the model.

A text encoder that remembers: the same call, the same rows. What comes out of the store is
checked before it is believed; what is missing is encoded once, however many threads and
processes ask for it at the same time.
"""

import contextlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import redis
import torch
from torch import Tensor

from backend.errors import StoreError
from backend.prediction.embed_codec import key_prefix, pack_row, text_part, unpack_row
from backend.store.store import Store, execute
from model import TEMPLATES, TextEncoder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TextCacheConfig:
    max_rows: int = 8192  # kept in this process; 12 MB at 384 dimensions
    ttl_s: int = 30 * 24 * 3600  # in the store, where it also lets them be evicted
    wait_s: float = (
        60.0  # for a process that encodes the same texts; then they are encoded here too
    )
    lock_s: float = 6.0  # after which a process that died over them is noticed
    poll_s: float = 0.02


@dataclass(frozen=True)
class CacheCounters:
    """Texts since the start, by where their embed came from."""

    hits_process: int = 0  # or from a thread that was encoding it just then
    hits_store: int = 0
    misses: int = 0  # encoded by the model
    corrupt: int = 0  # of the misses: what the store held was not this embed


class CachedTextEncoder:
    """Same call as the encoder it is made of. Safe between threads; any store trouble is a miss."""

    def __init__(
        self, encoder: TextEncoder, store: Store, config: TextCacheConfig | None = None
    ) -> None:
        self.embed_dim = encoder.embed_dim
        self.fingerprint = encoder.fingerprint
        self.counters = CacheCounters()
        self._encoder = encoder
        self._store = store
        self._config = config or TextCacheConfig()
        self._rows: OrderedDict[str, Tensor] = OrderedDict()  # least recently used first
        self._flights: dict[str, Future[Tensor | None]] = {}  # being fetched by some thread
        self._lock = threading.Lock()

    def __call__(self, texts: Sequence[str], templates: str = "imagenet80") -> Tensor:
        """Unit embeds (len(texts), embed_dim), float32 on the CPU."""
        if not texts or templates not in TEMPLATES:
            return self._encoder(texts, templates)  # the encoder knows what to say
        prefix = key_prefix(self.fingerprint, templates, TEMPLATES[templates])
        keys = [prefix + text_part(text) for text in texts]
        rows = self._gather(dict(zip(keys, texts, strict=True)), templates)
        return torch.stack([rows[key] for key in keys])

    def warm(self, texts: Sequence[str], templates: str = "imagenet80") -> None:
        """Encode ahead of need, from a thread of its own: a failure is logged, not raised."""
        try:
            self(texts, templates)
        except Exception:
            log.warning("The %d texts of a vocabulary cannot be encoded ahead.", len(texts))
            log.debug("encoding ahead failed", exc_info=True)

    def _gather(self, wanted: Mapping[str, str], templates: str) -> dict[str, Tensor]:
        """Rows by key. Each missing one is fetched by one thread; the others wait for that."""
        with self._lock:
            rows = {key: self._rows[key] for key in wanted if key in self._rows}
            for key in rows:
                self._rows.move_to_end(key)
            absent = [key for key in wanted if key not in rows]
            theirs = {key: self._flights[key] for key in absent if key in self._flights}
            mine: dict[str, Future[Tensor | None]] = {
                key: Future() for key in absent if key not in theirs
            }
            self._flights |= mine
        fetched: dict[str, Tensor] = {}
        try:
            fetched = self._fetch({key: wanted[key] for key in mine}, templates)
        finally:
            self._land(mine, fetched)
        rows |= fetched
        # After our own rows have landed, or two threads could wait for each other.
        arrived = {key: flight.result() for key, flight in theirs.items()}
        rows |= {key: row for key, row in arrived.items() if row is not None}
        self._count(hits_process=len(rows) - len(fetched))
        failed = {key: wanted[key] for key, row in arrived.items() if row is None}
        return rows | self._fetch(failed, templates)  # their failure need not be ours

    def _land(
        self, flights: Mapping[str, "Future[Tensor | None]"], rows: Mapping[str, Tensor]
    ) -> None:
        with self._lock:
            self._rows |= rows
            while len(self._rows) > self._config.max_rows:
                self._rows.popitem(last=False)
            for key in flights:
                del self._flights[key]
        for key, flight in flights.items():
            flight.set_result(rows.get(key))

    def _fetch(self, wanted: Mapping[str, str], templates: str) -> dict[str, Tensor]:
        """Rows of the store, and of the model where nobody else is at it already."""
        rows = self._load(wanted)
        give_up_s = time.monotonic() + self._config.wait_s
        while missing := [key for key in wanted if key not in rows]:
            claimed = self._claim(missing, may_wait=time.monotonic() < give_up_s)
            if claimed:
                # Another process may have stored them between our look and our claim.
                rows |= self._load(claimed)
                ours = {key: wanted[key] for key in claimed if key not in rows}
                with self._holding(claimed):
                    rows |= self._encode(ours, templates)
            else:
                time.sleep(self._config.poll_s)
                rows |= self._load(missing)
        return rows

    def _load(self, keys: Sequence[str] | Mapping[str, str]) -> dict[str, Tensor]:
        """What the store holds, in one MGET, without what cannot be believed."""
        if not keys:
            return {}
        rows: dict[str, Tensor] = {}
        corrupt = 0
        for key, value in zip(keys, self._store.get_many(list(keys)), strict=True):
            row = None if value is None else unpack_row(key, value, self.embed_dim)
            if row is not None:
                rows[key] = torch.from_numpy(row)
            elif value is not None:
                corrupt += 1
        if corrupt:
            log.warning("%d text embeds in the store are not ours: encoded again.", corrupt)
        self._count(hits_store=len(rows), corrupt=corrupt)
        return rows

    def _encode(self, texts: Mapping[str, str], templates: str) -> dict[str, Tensor]:
        if not texts:
            return {}
        embeds = self._encoder(list(texts.values()), templates)  # (N, D)
        self._count(misses=len(texts))
        # Each row a tensor of its own: a kept view would keep the whole batch.
        rows = {key: row.clone() for key, row in zip(texts, embeds, strict=True)}
        self._store.set_many(
            {key: pack_row(key, row.numpy()) for key, row in rows.items()}, self._config.ttl_s
        )
        return rows

    def _claim(self, keys: Sequence[str], *, may_wait: bool) -> list[str]:
        """The keys that are ours to encode: all of them without a store to agree through."""
        lock_ms = int(1000 * self._config.lock_s)

        def claim(client: redis.Redis) -> list[Any]:
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.set(lock_of(key), b"", nx=True, px=lock_ms)
            return execute(pipeline)

        if not may_wait:
            return list(keys)
        try:
            won = self._store.run("agree on who encodes", claim)
        except StoreError:
            return list(keys)
        return [key for key, is_ours in zip(keys, won, strict=True) if is_ours]

    @contextlib.contextmanager
    def _holding(self, keys: Sequence[str]) -> Iterator[None]:
        """Renew the locks of these keys, however long it takes, and let go of them at the end."""
        lock_ms = int(1000 * self._config.lock_s)
        is_over = threading.Event()

        def renew(client: redis.Redis) -> None:
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.pexpire(lock_of(key), lock_ms)
            execute(pipeline)

        def keep() -> None:
            while not is_over.wait(self._config.lock_s / 3):
                with contextlib.suppress(StoreError):
                    self._store.run("agree on who encodes", renew)

        keeper = threading.Thread(target=keep, name="text-locks", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            is_over.set()
            keeper.join()
            # One that ran out may be another's by now; losing it costs a second encoding at most.
            self._store.remove([lock_of(key) for key in keys])

    def _count(self, **more: int) -> None:
        with self._lock:
            now = {name: getattr(self.counters, name) + number for name, number in more.items()}
            self.counters = replace(self.counters, **now)


def lock_of(key: str) -> str:
    return key + ":lock"
