"""Text embeds from this process's memory, else from the store, else from the model.

A text encoder with a cache: the same call, the same rows. What comes out of the store is checked
before it is used; what is missing is encoded in chunks, one thread at a time, and by one process at
a time where the store is there to agree through.
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
from backend.metrics import Counts
from backend.prediction.embed_codec import pack_row, unpack_row
from backend.store.keys import text_embed_key, text_embed_prefix
from backend.store.store import Store
from model import TEMPLATES, TextEncoder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TextCacheConfig:
    max_rows: int = 8192  # kept in this process; 12 MB at 384 dimensions
    ttl_s: int = 30 * 24 * 3600  # in the store, where it also lets them be evicted
    chunk_prompts: int = 1024  # texts times templates that are encoded before others get a turn
    wait_s: float = 60.0  # for a process that encodes a chunk; then it is encoded here too
    lock_s: float = 60.0  # after which a process that died over a chunk no longer holds its lock
    poll_s: float = 0.02


class CachedTextEncoder:
    """Same call as the encoder it is made of. Safe between threads; any store trouble is a miss."""

    def __init__(
        self, encoder: TextEncoder, store: Store, config: TextCacheConfig | None = None
    ) -> None:
        self.embed_dim = encoder.embed_dim
        self.fingerprint = encoder.fingerprint
        self.counts = Counts(
            "hits_process",
            "hits_store",
            "misses",  # encoded by the model
            "corrupt",  # of the misses: what the store held was not this embed
        )
        self._encoder = encoder
        self._store = store
        self._config = config or TextCacheConfig()
        self._rows: LRUCache[str, Tensor] = LRUCache(self._config.max_rows)
        self._rows_lock = threading.Lock()
        self._encoding = threading.Lock()

    def __call__(self, texts: Sequence[str], templates: str = "imagenet80") -> Tensor:
        """Unit embeds (len(texts), embed_dim), float32 on the CPU."""
        if not texts or templates not in TEMPLATES:
            return self._encoder(texts, templates)  # it raises for an unknown template set
        prefix = text_embed_prefix(self.fingerprint, templates, TEMPLATES[templates])
        keys = [text_embed_key(prefix, text) for text in texts]
        wanted = dict(zip(keys, texts, strict=True))
        rows = self._remembered(wanted)
        rows |= self._stored(without(wanted, rows))
        chunk_texts = max(1, self._config.chunk_prompts // len(TEMPLATES[templates]))
        while missing := without(wanted, rows):
            with self._encoding:
                # Another thread may have encoded them while this one waited for its turn.
                if found := self._remembered(missing):
                    rows |= found
                    continue
                chunk = dict(list(missing.items())[:chunk_texts])
                rows |= self._encoded(chunk, prefix, templates)
        return torch.stack([rows[key] for key in keys])

    def _remembered(self, wanted: Mapping[str, str]) -> dict[str, Tensor]:
        """Rows by key, of those that this process keeps."""
        with self._rows_lock:
            rows = {key: self._rows[key] for key in wanted if key in self._rows}
        self.counts.add(hits_process=len(rows))
        return rows

    def _stored(self, wanted: Mapping[str, str]) -> dict[str, Tensor]:
        """Rows by key, of those that the store keeps, in one MGET; damaged ones are left out."""
        rows: dict[str, Tensor] = {}
        corrupt = 0
        for key, value in zip(wanted, self._store.get_many(list(wanted)), strict=True):
            row = None if value is None else unpack_row(key, value, self.embed_dim)
            if row is not None:
                rows[key] = torch.from_numpy(row)
            elif value is not None:
                corrupt += 1
        if corrupt:
            log.warning("%d text embeds in the store are not ours: encoded again.", corrupt)
        self.counts.add(hits_store=len(rows), corrupt=corrupt)
        self._remember(rows)
        return rows

    def _encoded(self, chunk: Mapping[str, str], prefix: str, templates: str) -> dict[str, Tensor]:
        """Rows by key, of the model, unless another process stored them meanwhile."""
        with self._held_across_processes(f"{prefix}:lock"):
            rows = self._stored(chunk)
            texts = without(chunk, rows)
            if not texts:
                return rows
            embeds = self._encoder(list(texts.values()), templates)  # (N, D)
            self.counts.add(misses=len(texts))
            # Each row a tensor of its own: a kept view would keep the whole chunk.
            fresh = {key: row.clone() for key, row in zip(texts, embeds, strict=True)}
            packed = {key: pack_row(key, row.numpy()) for key, row in fresh.items()}
            self._store.set_many(packed, self._config.ttl_s)
        self._remember(fresh)
        return rows | fresh

    def _remember(self, rows: Mapping[str, Tensor]) -> None:
        with self._rows_lock:
            self._rows.update(rows)

    @contextlib.contextmanager
    def _held_across_processes(self, name: str) -> Iterator[None]:
        """Keep other processes from encoding the same.

        Without a store, or after `wait_s`, both encode: the price is time alone.
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
            lock = client.lock(name, timeout=config.lock_s, sleep=config.poll_s)
            return lock if lock.acquire(blocking_timeout=config.wait_s) else None

        try:
            return self._store.run("agree on who encodes", acquire)
        except StoreError:
            return None

    def _release(self, lock: Lock) -> None:
        def release(_: redis.Redis) -> None:
            with contextlib.suppress(LockError):  # it ran out
                lock.release()

        with contextlib.suppress(StoreError):
            self._store.run("agree on who encodes", release)


def without(wanted: Mapping[str, str], rows: Mapping[str, Tensor]) -> dict[str, str]:
    return {key: text for key, text in wanted.items() if key not in rows}
