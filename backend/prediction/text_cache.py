"""A text encoder with two caches: embeds in this process, then in Redis, then from the model.

Values from Redis are validated. Missing texts are encoded in chunks, by one thread at a time, and
with a lock in Redis by one process at a time.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import redis
import torch
from cachetools import LRUCache
from redis.exceptions import LockError
from redis.lock import Lock
from torch import Tensor

from backend.errors import StoreError
from backend.log_once import WarnOnce
from backend.metrics import Counts
from backend.prediction.embed_codec import pack_row, unpack_row
from backend.store.keys import text_embed_key, text_embed_prefix
from backend.store.store import Store
from model import TEMPLATES, TextEncoder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TextCacheConfig:
    max_rows: int = 8192  # embeds in this process; 12 MB at 384 dimensions
    ttl_s: int = 30 * 24 * 3600  # in Redis, which may evict values with a time to live
    chunk_prompts: int = 1024  # texts times templates, encoded before other threads get a turn
    wait_s: float = 60.0  # for the lock of another process; then the chunk is encoded here too
    lock_s: float = 60.0  # after which the lock of a killed process expires
    poll_s: float = 0.02  # between attempts to get the lock


class CachedTextEncoder:
    """Called like the encoder it wraps. Safe between threads; an error of the store is a miss."""

    def __init__(
        self, encoder: TextEncoder, store: Store, config: TextCacheConfig | None = None
    ) -> None:
        self.embed_dim = encoder.embed_dim
        self.fingerprint = encoder.fingerprint
        self.counts = Counts(
            "hits_process",
            "hits_store",
            "misses",  # encoded by the model
            "corrupt",  # misses whose stored value was invalid
        )
        self._encoder = encoder
        self._store = store
        self._config = config or TextCacheConfig()
        self._rows: LRUCache[str, Tensor] = LRUCache(self._config.max_rows)
        self._warn_once = WarnOnce(log)
        self._rows_lock = threading.Lock()
        self._encoding_lock = threading.Lock()

    def __call__(self, texts: Sequence[str], templates: str = "imagenet80") -> Tensor:
        """Unit embeds (len(texts), embed_dim), float32 on the CPU."""
        if not texts or templates not in TEMPLATES:
            return self._encoder(texts, templates)  # it raises for an unknown template set
        prefix = text_embed_prefix(self.fingerprint, templates, TEMPLATES[templates])
        keys = [text_embed_key(prefix, text) for text in texts]
        wanted = dict(zip(keys, texts, strict=True))
        rows = self._from_process(wanted)
        rows |= self._from_store(missing_texts(wanted, rows))
        chunk_texts = max(1, self._config.chunk_prompts // len(TEMPLATES[templates]))
        while missing := missing_texts(wanted, rows):
            with self._encoding_lock:
                # Another thread may have encoded some while this one waited for the lock.
                if found := self._from_process(missing):
                    rows |= found
                    continue
                chunk = dict(list(missing.items())[:chunk_texts])
                rows |= self._encode_chunk(chunk, prefix, templates)
        return torch.stack([rows[key] for key in keys])

    def _from_process(self, wanted: Mapping[str, str]) -> dict[str, Tensor]:
        """Rows by key that are in this process's cache."""
        with self._rows_lock:
            rows = {key: self._rows[key] for key in wanted if key in self._rows}
        self.counts.add(hits_process=len(rows))
        return rows

    def _from_store(self, wanted: Mapping[str, str]) -> dict[str, Tensor]:
        """Rows by key from Redis, by one MGET; invalid values are left out and counted."""
        rows: dict[str, Tensor] = {}
        corrupt = 0
        for key, value in zip(wanted, self._store.get_many(list(wanted)), strict=True):
            row = None if value is None else unpack_row(key, value, self.embed_dim)
            if row is not None:
                rows[key] = torch.from_numpy(row)
            elif value is not None:
                corrupt += 1
        if corrupt:
            self._warn_once("Text embeds in the store are damaged: they are encoded again.")
        self.counts.add(hits_store=len(rows), corrupt=corrupt)
        self._put(rows)
        return rows

    def _encode_chunk(
        self, chunk: Mapping[str, str], prefix: str, templates: str
    ) -> dict[str, Tensor]:
        """Rows by key, encoded by the model unless another process stored them meanwhile."""
        with self._process_lock(f"{prefix}:lock"):
            rows = self._from_store(chunk)
            texts = missing_texts(chunk, rows)
            if not texts:
                return rows
            embeds = self._encoder(list(texts.values()), templates)  # (N, D)
            self.counts.add(misses=len(texts))
            # Cloned: a cached view would keep the whole chunk in memory.
            fresh = {key: row.clone() for key, row in zip(texts, embeds, strict=True)}
            packed = {key: pack_row(key, row.numpy()) for key, row in fresh.items()}
            self._store.set_many(packed, self._config.ttl_s)
        self._put(fresh)
        return rows | fresh

    def _put(self, rows: Mapping[str, Tensor]) -> None:
        with self._rows_lock:
            self._rows.update(rows)

    @contextlib.contextmanager
    def _process_lock(self, name: str) -> Iterator[None]:
        """Hold a lock in Redis; without a store, or after `wait_s`, go on without it.

        Then two processes encode the same texts, which only costs time.
        """
        lock = self._acquire(name)
        try:
            yield
        finally:
            if lock is not None:
                self._release(lock)

    def _acquire(self, name: str) -> Lock | None:
        config = self._config

        def acquire(client: redis.Redis) -> Lock | None:
            if client.pttl(name) == -1:  # a lock expires, so this is other data: waiting is in vain
                client.delete(name)
            lock = client.lock(name, timeout=config.lock_s, sleep=config.poll_s)
            return lock if lock.acquire(blocking_timeout=config.wait_s) else None

        try:
            return self._store.run("agree on who encodes", acquire)
        except StoreError:
            return None

    def _release(self, lock: Lock) -> None:
        def release(_: redis.Redis) -> None:
            with contextlib.suppress(LockError):  # it has expired
                lock.release()

        with contextlib.suppress(StoreError):
            self._store.run("agree on who encodes", release)


def missing_texts(wanted: Mapping[str, str], rows: Mapping[str, Tensor]) -> dict[str, str]:
    return {key: text for key, text in wanted.items() if key not in rows}
